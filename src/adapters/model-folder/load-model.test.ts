import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { ensembleOnnx, graphOnnx, node, valueInfo } from '../../core/model/onnx-bytes.fixture.ts';
import { listModels, loadModel, ModelFolderError } from './load-model.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const FOREST = join(root, 'test/fixtures/models/forest');
const LOGISTIC = join(root, 'test/fixtures/models-other/logistic');
const folders = globSync(['models/*', 'test/fixtures/models*/*'], { cwd: root }).sort();

type Card = {
  calibration?: { scores: number[]; probabilities: number[] };
  features: string[];
  sha256: string;
  usual: Record<string, { median: number }>;
};
type Parity = { inputs: unknown; probabilities: unknown; calibrated?: unknown };

/** Half of what the model says up to 0.8, and from there up to 1. */
const HALVES = { scores: [0, 0.8, 1], probabilities: [0, 0.4, 1] };
const halve = (score: number) =>
  Math.fround(score < 0.8 ? score * (0.4 / 0.8) : 0.4 + (score - 0.8) * ((1 - 0.4) / (1 - 0.8)));

describe('a model folder', () => {
  for (const folder of folders) {
    test(`${folder} is loaded, and scores as its trainer did`, async () => {
      const card = await readJson<Card & { thresholds: object }>(join(root, folder, 'model.json'));
      const model = await loadModel(join(root, folder), card.features);
      assert.equal(model.version, basename(folder));
      assert.deepEqual([model.features, model.thresholds], [card.features, card.thresholds]);
      assert.equal(
        model.sha256 === card.sha256,
        !card.calibration,
        'a calibration is part of what a model is',
      );
      assert.deepEqual(
        model.usual,
        card.features.map((name) => card.usual[name].median),
      );
      const { rows, count, probabilities, calibrated } = await readParity(join(root, folder));
      assert.deepEqual(await model.score(rows, count), calibrated ?? probabilities);
    });
  }

  test('with a calibration gives the trainer’s calibrated probabilities, whatever scores it', async (t) => {
    for (const source of [FOREST, LOGISTIC]) {
      const folder = await copyOf(t, source);
      await change<Card>(folder, 'model.json', (card) => ({ ...card, calibration: HALVES }));
      const { probabilities } = await readParity(folder);
      const halved = Array.from(probabilities, halve);
      await change<Parity>(folder, 'parity.json', (parity) => ({ ...parity, calibrated: halved }));
      const model = await loadModel(folder, (await cardOf(folder)).features);
      const { rows, count } = await readParity(folder);
      assert.deepEqual([...(await model.score(rows, count))], halved);
    }
  });

  test('of a tree ensemble is scored at once, in TypeScript, and says what moved the score', async () => {
    const model = await loadModel(FOREST, (await cardOf(FOREST)).features);
    const { rows, count } = await readParity(FOREST);
    assert.ok(model.score(rows, count) instanceof Float32Array);
    const contributions = model.attribute!(rows.subarray(0, 6), 1);
    assert.equal(contributions.length, 6);
    assert.ok(contributions.some((contribution) => contribution !== 0));
  });

  test('of another model is scored by ONNX Runtime, and cannot say what moved the score', async () => {
    const model = await loadModel(LOGISTIC, (await cardOf(LOGISTIC)).features);
    const { rows, count } = await readParity(LOGISTIC);
    assert.ok(model.score(rows, count) instanceof Promise);
    assert.equal(model.attribute, undefined);
  });

  test('of a tree ensemble that TypeScript would score otherwise is left to ONNX Runtime too', async (t) => {
    const folder = await copyOf(t, FOREST);
    const twice = ensembleOnnx({
      ...{ class_treeids: [0, 0, 0], class_nodeids: [1, 2, 2], class_ids: [0, 0, 0] },
      class_weights: Float32Array.of(0.25, 0.5, 0.125),
    });
    await replaceOnnx(folder, twice);
    await change<Card>(folder, 'model.json', (card) => ({ ...card, features: card.features.slice(0, 2) }));
    const inputs = [
      [10, 0],
      [11, 0],
    ];
    await change<Parity>(folder, 'parity.json', () => ({ inputs, probabilities: [0.25, 0.625] }));
    const model = await loadModel(folder, (await cardOf(folder)).features);
    assert.equal(model.attribute, undefined);
  });
});

describe('a model folder is refused, by its name, the file’s and the cause, with', () => {
  type Case = {
    readonly file: string;
    readonly says: RegExp;
    readonly breaking: (folder: string) => Promise<unknown>;
  };
  const without = (file: string) => (folder: string) => rm(join(folder, file));
  const saying = (file: string, text: string | Uint8Array) => (folder: string) =>
    writeFile(join(folder, file), text);
  const card = (said: object) => (folder: string) =>
    change<Card>(folder, 'model.json', (old) => ({ ...old, ...said }));
  const parity = (said: (old: Parity) => Partial<Parity>) => (folder: string) =>
    change<Parity>(folder, 'parity.json', (old) => ({ ...old, ...said(old) }));
  const parityText = (said: (old: string) => string) => async (folder: string) => {
    const path = join(folder, 'parity.json');
    await writeFile(path, said(await readFile(path, 'utf8')));
  };
  const onnx = (said: (old: Buffer) => Uint8Array) => async (folder: string) =>
    replaceOnnx(folder, said(await readFile(join(folder, 'model.onnx'))));
  const row = (...values: unknown[]) =>
    parity((old) => ({ inputs: [values, ...(old.inputs as []).slice(1)] }));
  const probability = (...values: unknown[]) =>
    parity((old) => ({ probabilities: [...values, ...(old.probabilities as []).slice(values.length)] }));
  const identity = graphOnnx([node('Identity', ['features'], ['probabilities'])], {
    inputs: [valueInfo('features', 1, [undefined, 6])],
    outputs: [valueInfo('probabilities', 1, [undefined, 6])],
  });

  const cases: Readonly<Record<string, Case>> = {
    'no model.json': { file: 'model.json', says: /model\.json is missing$/, breaking: without('model.json') },
    'no model.onnx': { file: 'model.onnx', says: /model\.onnx is missing$/, breaking: without('model.onnx') },
    'no parity.json': {
      file: 'parity.json',
      says: /parity\.json is missing$/,
      breaking: without('parity.json'),
    },
    'no files at all': {
      file: 'model.json',
      says: /model\.json is missing$/,
      breaking: (folder) => rm(folder, { recursive: true }),
    },
    'a folder in the place of a file': {
      file: 'model.onnx',
      says: /EISDIR/,
      breaking: async (folder) => {
        await rm(join(folder, 'model.onnx'));
        await mkdir(join(folder, 'model.onnx'));
      },
    },
    'a card that is no JSON': {
      file: 'model.json',
      says: /JSON/,
      breaking: saying('model.json', '{"version":'),
    },
    'an empty card': { file: 'model.json', says: /JSON/, breaking: saying('model.json', '') },
    'a card that is another thing': {
      file: 'model.json',
      says: /model\.json must be an object$/,
      breaking: saying('model.json', 'null'),
    },
    'a card without a hash': {
      file: 'model.json',
      says: /sha256 must be a text like/,
      breaking: card({ sha256: undefined }),
    },
    'another version': {
      file: 'model.json',
      says: /model\.json is of version v9, not forest$/,
      breaking: card({ version: 'v9' }),
    },
    'a feature that nobody computes': {
      file: 'model.json',
      says: /model\.json asks for the feature shoe_size, which is not in the catalogue$/,
      breaking: card({ features: ['shoe_size'], usual: { shoe_size: { median: 42 } } }),
    },
    'a calibration that falls': {
      file: 'model.json',
      says: /calibration\.probabilities must be two or more numbers that rise from 0 to 1$/,
      breaking: card({ calibration: { scores: [0, 0.5, 1], probabilities: [0, 1, 1] } }),
    },
    'a calibration without vectors to check it': {
      file: 'parity.json',
      says: /has no calibrated probabilities, so the calibration cannot be checked$/,
      breaking: card({ calibration: HALVES }),
    },
    'a calibration that its vectors deny': {
      file: 'parity.json',
      says: /calibrated vector 0 comes out as .*, not as 0.75$/,
      breaking: async (folder) => {
        await card({ calibration: HALVES })(folder);
        await parity(({ probabilities }) => ({ calibrated: (probabilities as []).map(() => 0.75) }))(folder);
      },
    },
    'another ONNX file': {
      file: 'model.onnx',
      says: /model\.onnx has the sha256 [0-9a-f]{64}, but model\.json says [0-9a-f]{64}$/,
      breaking: async (folder) => {
        const path = join(folder, 'model.onnx');
        const bytes = await readFile(path);
        bytes[bytes.length - 1] ^= 1;
        await writeFile(path, bytes);
      },
    },
    'half an ONNX file': {
      file: 'model.onnx',
      says: /model: truncated, byte \d+ announces/,
      breaking: onnx((old) => old.subarray(0, old.length / 2)),
    },
    'an empty ONNX file': {
      file: 'model.onnx',
      says: /model: has no graph, so this is no ONNX file$/,
      breaking: onnx(() => new Uint8Array()),
    },
    'a model that nobody can score': {
      file: 'model.onnx',
      says: /no output has the probabilities of two classes$/,
      breaking: onnx(() => identity),
    },
    'fewer features than the ONNX file takes': {
      file: 'model.onnx',
      says: /model\.onnx takes 6 features, but model\.json names 5$/,
      breaking: (folder) =>
        change<Card>(folder, 'model.json', (old) => ({ ...old, features: old.features.slice(1) })),
    },
    'parity vectors that are no JSON': {
      file: 'parity.json',
      says: /JSON/,
      breaking: saying('parity.json', '{"inputs": [[1'),
    },
    'parity vectors of NaN': {
      file: 'parity.json',
      says: /JSON/,
      breaking: parityText((old) => old.replace('null', 'NaN')),
    },
    'nothing for parity vectors': {
      file: 'parity.json',
      says: /inputs and probabilities must be lists of one length$/,
      breaking: saying('parity.json', 'null'),
    },
    'no list of inputs': {
      file: 'parity.json',
      says: /must be lists of one length$/,
      breaking: parity(() => ({ inputs: { 0: [] } })),
    },
    'no probabilities': {
      file: 'parity.json',
      says: /must be lists of one length$/,
      breaking: parity(() => ({ probabilities: undefined })),
    },
    'fewer probabilities than inputs': {
      file: 'parity.json',
      says: /must be lists of one length$/,
      breaking: parity(() => ({ probabilities: [0.5] })),
    },
    'no parity vectors': {
      file: 'parity.json',
      says: /has no vectors, so the model cannot be checked$/,
      breaking: parity(() => ({ inputs: [], probabilities: [] })),
    },
    'a vector that is too short': {
      file: 'parity.json',
      says: /inputs\[0\] must have 6 numbers or nulls$/,
      breaking: row(1, 2, 3),
    },
    'a vector that is too long': {
      file: 'parity.json',
      says: /inputs\[0\] must have 6 numbers or nulls$/,
      breaking: row(1, 2, 3, 4, 5, 6, 7),
    },
    'a vector of texts': {
      file: 'parity.json',
      says: /inputs\[0\] must have 6 numbers or nulls$/,
      breaking: row('1', 2, 3, 4, 5, 6),
    },
    'an infinite value in a vector': {
      file: 'parity.json',
      says: /inputs\[1\] must have 6 numbers or nulls$/,
      breaking: parityText((old) => old.replace('null', '1e999')),
    },
    'a probability that is null': {
      file: 'parity.json',
      says: /probabilities\[0\] must be a number from 0 to 1$/,
      breaking: probability(null),
    },
    'a probability above 1': {
      file: 'parity.json',
      says: /probabilities\[1\] must be a number from 0 to 1$/,
      breaking: probability(0.5, 1.5),
    },
    'a probability that is off by the last bit': {
      file: 'parity.json',
      says: /vector 0 comes out as 0\.\d+, not as 0\.\d+$/,
      breaking: (folder) =>
        change<{ probabilities: number[] }>(folder, 'parity.json', ({ probabilities, ...rest }) => {
          const bits = Float32Array.from(probabilities);
          new Int32Array(bits.buffer)[0] ^= 1;
          return { ...rest, probabilities: [...bits] };
        }),
    },
  };
  for (const [what, { file, says, breaking }] of Object.entries(cases)) {
    test(what, async (t) => {
      const folder = await copyOf(t, FOREST);
      const { features } = await cardOf(folder);
      await breaking(folder);
      await assert.rejects(loadModel(folder, features), (error) => {
        assert.ok(error instanceof ModelFolderError && error.code === 'model-folder', String(error));
        assert.ok(error.message.startsWith(join(folder, file)), error.message);
        assert.match(error.message, says);
        return true;
      });
    });
  }
});

test('a model that asks for more than there is names the first feature of it', async () => {
  await assert.rejects(
    loadModel(FOREST, FEATURE_NAMES),
    /model\.json asks for the feature user_mean_amount, which is not in the catalogue$/,
  );
});

describe('a models directory', () => {
  test('lists its folders by name, without files and what is hidden', async (t) => {
    const directory = await temporaryDirectory(t);
    for (const name of ['v2', 'v10', 'v1', '.v3-half-made']) await mkdir(join(directory, name));
    await writeFile(join(directory, 'README.md'), 'notes');
    assert.deepEqual(
      await listModels(directory),
      ['v1', 'v10', 'v2'].map((name) => join(directory, name)),
    );
  });

  test('that is not there, or is a file, is named', async (t) => {
    const directory = await temporaryDirectory(t);
    const file = join(directory, 'file');
    await writeFile(file, '');
    for (const path of [join(directory, 'missing'), file]) {
      await assert.rejects(listModels(path), (error) => {
        assert.ok(error instanceof ModelFolderError);
        return error.message.startsWith(`the models directory ${path} cannot be read: E`);
      });
    }
  });
});

/** A folder of the same name, which goes with the test. */
async function copyOf(t: TestContext, folder: string): Promise<string> {
  const copy = join(await temporaryDirectory(t), basename(folder));
  await cp(folder, copy, { recursive: true });
  return copy;
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fraud-test-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Puts another ONNX file into the folder, with the hash that fits. */
async function replaceOnnx(folder: string, onnx: Uint8Array): Promise<void> {
  await writeFile(join(folder, 'model.onnx'), onnx);
  const sha256 = createHash('sha256').update(onnx).digest('hex');
  await change<Card>(folder, 'model.json', (card) => ({ ...card, sha256 }));
}

async function change<Content>(folder: string, file: string, said: (old: Content) => unknown): Promise<void> {
  const path = join(folder, file);
  await writeFile(path, JSON.stringify(said(await readJson(path))));
}

function cardOf(folder: string): Promise<Card> {
  return readJson(join(folder, 'model.json'));
}

async function readParity(folder: string) {
  type Vectors = { inputs: (number | null)[][]; probabilities: number[]; calibrated?: number[] };
  const { inputs, probabilities, calibrated } = await readJson<Vectors>(join(folder, 'parity.json'));
  const rows = Float32Array.from(inputs.flat(), (value) => value ?? Number.NaN);
  return {
    rows,
    count: inputs.length,
    probabilities: Float32Array.from(probabilities),
    calibrated: calibrated && Float32Array.from(calibrated),
  };
}

async function readJson<Content>(path: string): Promise<Content> {
  return JSON.parse(await readFile(path, 'utf8'));
}
