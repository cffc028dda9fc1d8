/**
 * A model folder: model.onnx, model.json (what it is) and parity.json (inputs with the outputs that ONNX Runtime gave when
 * it was trained). A model is taken only if all of it fits together and the vectors come out bit for bit.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EnsembleAttribution } from '../../core/model/attribute-ensemble.ts';
import { Calibration, type CalibrationKnots } from '../../core/model/calibration.ts';
import { type ModelCard, parseModelCard } from '../../core/model/model-card.ts';
import { UnsupportedModelError } from '../../core/model/model-errors.ts';
import { scoreEnsemble } from '../../core/model/score-ensemble.ts';
import { readTreeEnsemble } from '../../core/model/tree-ensemble.ts';
import type { Model } from '../../pipeline/model.ts';
import { OnnxRuntimeScorer } from '../onnxruntime/onnxruntime-scorer.ts';
import { assertParity, parseParity } from './parity.ts';

/** A model folder is refused. The message names the folder, the file and what is wrong with it. */
export class ModelFolderError extends Error {
  readonly code = 'model-folder';
}

/**
 * Loads and checks a model folder.
 * @param knownFeatures what can be computed: a model that asks for anything else is refused
 * @throws ModelFolderError
 */
export async function loadModel(folder: string, knownFeatures: readonly string[]): Promise<Model> {
  const card = await readPart(folder, 'model.json', (bytes) =>
    parseModelCard(JSON.parse(bytes.toString('utf8'))),
  );
  assertCard(folder, card, knownFeatures);
  const onnx = await readPart(folder, 'model.onnx', (bytes) => bytes);
  const sha256 = createHash('sha256').update(onnx).digest('hex');
  if (sha256 !== card.sha256) {
    throw new ModelFolderError(
      `${join(folder, 'model.onnx')} has the sha256 ${sha256}, but model.json says ${card.sha256}`,
    );
  }
  const scoring = await named(join(folder, 'model.onnx'), () => createScoring(onnx));
  if (scoring.featureCount !== card.features.length) {
    throw new ModelFolderError(
      `${join(folder, 'model.onnx')} takes ${scoring.featureCount} features, but model.json names ${card.features.length}`,
    );
  }
  const parity = await readPart(folder, 'parity.json', (bytes) =>
    parseParity(bytes.toString('utf8'), card.features.length),
  );
  await named(join(folder, 'parity.json'), () => assertParity(parity, scoring.score, card.calibration));
  const { version, features, thresholds, calibration } = card;
  const usual = features.map((feature) => card.usual[feature].median);
  return {
    version,
    sha256: identityOf(sha256, calibration),
    features,
    thresholds,
    usual,
    score: calibration ? calibrated(scoring.score, calibration) : scoring.score,
    attribute: scoring.attribute,
  };
}

/** The folders in a models directory, by name. @throws ModelFolderError if there is no such directory */
export async function listModels(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
    return folders.map(({ name }) => join(directory, name)).sort();
  } catch (error) {
    throw new ModelFolderError(
      `the models directory ${directory} cannot be read: ${(error as Error).message}`,
    );
  }
}

/** Another calibration is another model: decisions are computed again by exactly the one that made them. */
function identityOf(sha256: string, calibration: CalibrationKnots | undefined): string {
  if (!calibration) return sha256;
  return createHash('sha256').update(sha256).update(JSON.stringify(calibration)).digest('hex');
}

function calibrated(score: Model['score'], knots: CalibrationKnots): Model['score'] {
  const calibration = new Calibration(knots);
  return (rows, count) => {
    const scores = score(rows, count);
    return scores instanceof Promise
      ? scores.then((later) => calibration.apply(later))
      : calibration.apply(scores);
  };
}

type Scoring = Pick<Model, 'score' | 'attribute'> & { readonly featureCount: number };

/** Tree ensembles are scored in TypeScript, everything else by ONNX Runtime, which says itself what it cannot take. */
async function createScoring(onnx: Uint8Array): Promise<Scoring> {
  try {
    const ensemble = readTreeEnsemble(onnx);
    const attribution = new EnsembleAttribution(ensemble);
    return {
      featureCount: ensemble.featureCount,
      score: (rows, count) => scoreEnsemble(ensemble, rows, count),
      attribute: (rows, count) => attribution.attribute(rows, count),
    };
  } catch (error) {
    if (!(error instanceof UnsupportedModelError)) throw error;
    const scorer = await OnnxRuntimeScorer.load(onnx);
    return {
      featureCount: scorer.featureCount,
      score: (rows, count) => scorer.scoreEach(rows, count),
      attribute: undefined,
    };
  }
}

function assertCard(
  folder: string,
  { version, features }: ModelCard,
  knownFeatures: readonly string[],
): void {
  const file = join(folder, 'model.json');
  if (version !== basename(folder))
    throw new ModelFolderError(`${file} is of version ${version}, not ${basename(folder)}`);
  const unknown = features.find((feature) => !knownFeatures.includes(feature));
  if (unknown !== undefined)
    throw new ModelFolderError(`${file} asks for the feature ${unknown}, which is not in the catalogue`);
}

async function readPart<Part>(folder: string, name: string, parse: (bytes: Buffer) => Part): Promise<Part> {
  const path = join(folder, name);
  return named(path, async () => parse(await readFile(path)));
}

async function named<Result>(path: string, make: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ModelFolderError(isMissing ? `${path} is missing` : `${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
