/** The rules of ARCHITECTURE.md that a machine can hold: which way imports go, and that what is promised is there. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../src/assembly/service-settings.ts';
import { VERBS } from '../src/verbs.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Each layer may import itself and those before it. */
const LAYERS = ['core', 'pipeline', 'adapters', 'command-line', 'assembly', 'commands'];
const SOURCE_LINES_MAX = 400;

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const isProduct = (path: string) => !/\.(test|fixture|contract)\.ts$|naive-|arbitrary-/.test(path);
const sources = globSync('src/**/*.ts', { cwd: root }).filter(isProduct);

type Import = { readonly from: string; readonly specifier: string; readonly target: string | undefined };
const imports: readonly Import[] = sources.flatMap((from) =>
  [...read(from).matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, specifier]) => ({
    from,
    specifier,
    target: specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : undefined,
  })),
);

describe('architecture', () => {
  it('core imports nothing but core', () => {
    const wrong = imports.filter(
      ({ from, target }) => from.startsWith('src/core/') && !target?.startsWith('src/core/'),
    );
    assert.deepEqual(wrong, []);
  });

  it('imports go one way: core, pipeline, adapters, assembly, commands', () => {
    const wrong = imports.filter(
      ({ from, target }) => target !== undefined && layerOf(target) > layerOf(from),
    );
    assert.deepEqual(wrong, []);
  });

  it('commands never import each other', () => {
    const isOther = ({ from, target }: Import) =>
      from.startsWith('src/commands/') &&
      target?.startsWith('src/commands/') &&
      verbOf(from) !== verbOf(target);
    assert.deepEqual(imports.filter(isOther), []);
  });

  it('the pipeline knows no package', () => {
    const wrong = imports.filter(
      ({ from, target }) => from.startsWith('src/pipeline/') && target === undefined,
    );
    assert.deepEqual(wrong, []);
  });

  it(`no source file is longer than ${SOURCE_LINES_MAX} lines`, () => {
    const long = sources.filter((path) => read(path).split('\n').length > SOURCE_LINES_MAX);
    assert.deepEqual(long, []);
  });
});

describe('documentation', () => {
  it('names every verb in the README', () => {
    const readme = read('README.md');
    for (const verb of Object.keys(VERBS))
      assert.match(readme, new RegExp(`fraud ${verb}\\b`), `${verb} is missing`);
  });

  it('gives every dependency its line of reasons', () => {
    const reasons = read('docs/dependencies.md');
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json'));
    for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
      assert.ok(reasons.includes(`\`${name}\``), `docs/dependencies.md says nothing of ${name}`);
    }
  });

  it('lists every environment variable with its default', () => {
    const text = read('docs/environment.md').replace(/ +/g, ' '); // tables are padded
    for (const [name, { default: standard }] of Object.entries(VARIABLES)) {
      assert.ok(
        text.includes(standard === '' ? `| \`${name}\` | |` : `| \`${name}\` | \`${standard}\` |`),
        `docs/environment.md lacks ${name} with ${standard}`,
      );
    }
  });

  it('keeps ARCHITECTURE.md under 200 lines, and CHANGELOG.md with an Unreleased head', () => {
    assert.ok(read('ARCHITECTURE.md').split('\n').length < 200);
    assert.match(read('CHANGELOG.md'), /^## Unreleased$/m);
  });

  it('locks packages without addresses of where they were downloaded', () => {
    assert.doesNotMatch(read('package-lock.json'), /"resolved": *"http/);
  });
});

function layerOf(path: string): number {
  const layer = LAYERS.indexOf(path.split('/')[1]);
  return layer < 0 ? LAYERS.length : layer;
}

function verbOf(path: string): string {
  return path.split('/')[2];
}
