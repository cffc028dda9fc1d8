/** `fraud train` from nothing to a model that serves, with the real trainer, and the trainer's own tests. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { preparePython } from '../src/assembly/training/python-environment.ts';
import { transactionMessage } from './http-messages.ts';
import { runVerb, startService, temporaryDirectory } from './start-service.ts';

const TRAINING = fileURLToPath(new URL('../training', import.meta.url));
const MODEL_FILES = ['model-card.md', 'model-card.png', 'model.json', 'model.onnx', 'parity.json'];
/** The least from which the trainer takes a week each of training, validation and test behind labels a day late. */
const SIZE = ['--users', '200', '--terminals', '60', '--days', '24', '--seed', '5'];
const PYTHON_TESTS_MS = 300_000;

test('a model from nothing, from a file, and served', async (t) => {
  if (!(await hasPython(t))) return;
  const directory = await temporaryDirectory(t);
  const models = join(directory, 'models');
  const file = join(directory, 'payments.parquet');
  const into = ['--models-dir', models, '--label-delay', '1d'];
  const recorded = [file, '--label-column', 'is_fraud', '--seed', '5'];
  let first: readonly Buffer[] = [];

  await t.test('train simulates, computes features, trains and checks', async () => {
    const { stdout, stderr } = await succeed('train', '--version', 'v9', ...SIZE, ...into);
    assert.match(
      stdout,
      /^model v9 is in .*v9 and passes the service's checks\nreview from 0\.\d+, decline from 0\.\d+\n/,
    );
    for (const step of ['simulate', 'dataset', 'train.py'])
      assert.match(stderr, new RegExp(`^> .*${step}`, 'm'));
    assert.doesNotMatch(stderr, /Warning: /);
    first = await filesOf(models, 'v9');
    const { training, metrics } = JSON.parse(String(first[MODEL_FILES.indexOf('model.json')]));
    assert.equal(training.label_delay_days, 1);
    assert.match(String(first[0]), /^# Model v9\n/);
    assert.ok(metrics.test.auc > 0.8, `it learned something: ${metrics.test.auc}`);
  });

  await t.test('a folder that is there is kept unless one says otherwise', async () => {
    const { code, stderr } = await runVerb('train', '--version', 'v9', ...into);
    assert.equal(code, 2);
    assert.match(stderr, /v9 is there already; choose another --version or say --overwrite\n$/);
    assert.deepEqual(await filesOf(models, 'v9'), first);
  });

  await t.test('the same payments out of a file give the same bytes', async () => {
    await succeed('simulate', ...SIZE, '--out', file);
    await succeed('train', '--version', 'v9', '--overwrite', ...recorded, ...into);
    const again = await filesOf(models, 'v9');
    for (const [index, name] of MODEL_FILES.entries()) assert.deepEqual(again[index], first[index], name);
  });

  await t.test('a forest on the features of the mission', async () => {
    const choices = ['--algorithm', 'random-forest', '--features', 'mission'];
    await succeed('train', '--version', 'v10', ...choices, ...recorded, ...into);
    const { stdout } = await succeed('models', '--models-dir', models);
    assert.match(stdout, /^v10 {2}good {2}13 features, .*\nv9 {2}good {2}\d+ features, .*\n$/);
  });

  await t.test('both serve', async (t) => {
    const environment = {
      MODELS_DIR: models,
      MODEL_VERSION_A: 'v9',
      MODEL_VERSION_B: 'v10',
      AB_TEST_SPLIT: '50:50',
    };
    const service = await startService(t, { dataDirectory: join(directory, 'data'), environment });
    const versions = new Set<string>();
    for (let user = 0; user < 20; user++) {
      const body = JSON.stringify(transactionMessage(`t-${user}`, { user_id: `u-${user}` }));
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${service.url}/predict`, { method: 'POST', headers, body });
      assert.equal(answer.status, 200);
      const { model_version, fraud_probability } = (await answer.json()) as Record<string, unknown>;
      assert.ok(Number(fraud_probability) > 0 && Number(fraud_probability) < 1);
      versions.add(String(model_version));
    }
    assert.deepEqual([...versions].sort(), ['v10', 'v9']);
  });

  await t.test('what the trainer refuses ends the verb and leaves nothing', async () => {
    const few = ['--users', '50', '--terminals', '30', '--days', '10'];
    const { code, stderr } = await runVerb('train', '--version', 'v11', ...few, ...into);
    assert.equal(code, 1);
    assert.match(stderr, /train\.py: the dataset has 10 days .* and needs 22/);
    assert.match(stderr, /\nfraud: .*train\.py.* ended with exit code 2\n$/);
    assert.deepEqual(await readdir(models), ['v10', 'v9']);
  });
});

test('evaluate measures week by week, with tables and pictures, and the sooner labels are known the better', async (t) => {
  if (!(await hasPython(t))) return;
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'payments.parquet');
  const out = join(directory, 'evaluation');
  await succeed(
    'simulate',
    '--users',
    '400',
    '--terminals',
    '150',
    '--days',
    '150',
    '--seed',
    '4',
    '--out',
    file,
  );
  const words = [
    file,
    '--label-column',
    'is_fraud',
    '--story-column',
    'fraud_story',
    '--study',
    'delays',
    '--rows',
    '1,6',
  ];
  const { stdout } = await succeed('evaluate', ...words, '--out', out);
  assert.match(stdout, /^Label delay: the four test weeks, /);
  assert.deepEqual((await readdir(out)).sort(), ['delays.json', 'delays.png', 'delays.svg']);
  const { candidates } = JSON.parse(await readFile(join(out, 'delays.json'), 'utf8'));
  const precision = (days: number) =>
    candidates.find(
      (one: { labelDelayDays: number; blockingDelayDays: number }) =>
        one.labelDelayDays === days && one.blockingDelayDays === 7,
    ).test.averagePrecision;
  assert.ok(precision(0).mean > precision(7).mean, `${precision(0).mean} over ${precision(7).mean}`);
  for (const days of [0, 7]) {
    const { mean, interval } = precision(days);
    assert.ok(interval.low < mean && mean < interval.high);
  }

  const few = await runVerb('evaluate', file, '--label-column', 'is_fraud', '--study', 'none');
  const absent = await runVerb('evaluate', file, '--label-column', 'is_fraud', '--rows', '1,99');
  assert.match(absent.stderr, /^fraud: --rows are numbers from 1 to 6, not "99"\n$/);
  assert.match(few.stderr, /^fraud: --study knows published, best, delays, features, not "none"\n$/);
  const short = join(directory, 'short.parquet');
  await succeed('simulate', '--users', '40', '--terminals', '20', '--days', '40', '--out', short);
  const refused = await runVerb(
    'evaluate',
    short,
    '--label-column',
    'is_fraud',
    '--study',
    'published',
    '--out',
    out,
  );
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /evaluate\.py: the week of .* needs training from .*, and the dataset begins /,
  );
});

test('what is typed wrong is said before anything is prepared', async (t) => {
  const directory = await temporaryDirectory(t);
  const into = ['--models-dir', directory];
  const refused: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [[], /^fraud: --version is missing: name of the model and of its folder\n$/],
    [['--version', '../v9'], /^fraud: --version must be 1 to 32 letters, digits, dots and dashes\n$/],
    [
      ['--version', 'v9', '--algorithm', 'oracle'],
      /^fraud: --algorithm must be one of random-forest, gradient-boosting, xgboost\n$/,
    ],
    [['--version', 'v9', '--features', 'amount,amuont'], /^fraud: feature "amuont" is not in the catalogue/],
    [['--version', 'v9', '--label-delay', 'soon'], /^fraud: --label-delay must be a time such as 7d/],
    [
      ['--version', 'v9', 'payments.parquet'],
      /^fraud: --label-column is missing: a model cannot be trained without/,
    ],
  ];
  for (const [words, says] of refused) {
    const { code, stdout, stderr } = await runVerb('train', ...words, ...into);
    assert.deepEqual([code, stdout], [2, ''], words.join(' '));
    assert.match(stderr, says);
  }
  assert.deepEqual(await readdir(directory), []);
});

test('the trainer passes its own tests', async (t) => {
  if (!(await hasPython(t))) return;
  const python = await preparePython();
  const source = await readFile(join(TRAINING, 'test_train.py'), 'utf8');
  const cases = [...source.matchAll(/^class (\w+)\((?:InFolder|unittest\.TestCase)\):/gm)].map(
    ([, name]) => name,
  );
  const ran = await Promise.all(cases.map((name) => runPythonTests(python, name)));
  const wanted = source.match(/^ {4}def test_/gm)?.length ?? 0;
  assert.ok(wanted > 0);
  assert.equal(
    ran.reduce((sum, count) => sum + count, 0),
    wanted,
    'every test of the file ran',
  );
});

/** In the order of `MODEL_FILES`; there are no others. */
async function filesOf(models: string, version: string): Promise<readonly Buffer[]> {
  assert.deepEqual((await readdir(join(models, version))).sort(), MODEL_FILES);
  return Promise.all(MODEL_FILES.map((name) => readFile(join(models, version, name))));
}

/** How many tests of a class ran, all of them well. */
async function runPythonTests(python: string, name: string): Promise<number> {
  const words = ['-m', 'unittest', `test_train.${name}`];
  const { stderr } = await promisify(execFile)(python, words, { cwd: TRAINING, timeout: PYTHON_TESTS_MS });
  const [, count] = /^Ran (\d+) tests? in .*\n\nOK\n$/m.exec(stderr) ?? assert.fail(stderr);
  return Number(count);
}

/** False, and the test skipped, where Python cannot make an environment; in CI that fails. */
async function hasPython(t: TestContext): Promise<boolean> {
  const { status, stderr, error } = spawnSync('python3', ['-c', 'import venv, ensurepip'], {
    encoding: 'utf8',
  });
  if (status === 0) {
    await preparePython();
    return true;
  }
  const reason = `python3 with venv: ${(error?.message ?? stderr).trim().split('\n').at(-1)}`;
  if (process.env.CI === 'true') assert.fail(`CI is without ${reason}`);
  t.skip(`NOT TESTED HERE, for want of ${reason}`);
  return false;
}

async function succeed(...words: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await runVerb(...words);
  assert.equal(code, 0, `fraud ${words.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}
