import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Arguments, type Options, UsageError } from '../command-line/command.ts';
import { parseSplit } from '../core/experiment/assignment.ts';
import type { EngineObserver, EngineSettings } from './engine.ts';

/** The folder of the checkout, or of the image. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const DEFAULT_DATA_DIRECTORY = join(ROOT, 'data');
export const DEFAULT_MODELS_DIRECTORY = join(ROOT, 'models');
export const DEFAULT_SALT = 'fraud-detection';

/** Options by which verbs other than `serve`, which takes the environment's word, choose what decides. */
export const ENGINE_OPTIONS: Options = {
  'data-dir': { value: 'DIR', description: 'folder of the event log and its views' },
  'models-dir': { value: 'DIR', description: 'folder of the model folders (default models)' },
  'model-a': { value: 'VERSION', description: 'model of arm A', default: 'v1' },
  'model-b': { value: 'VERSION', description: 'model of arm B', default: 'v2' },
  split: { value: 'A:B', description: 'percent of users in arm A and arm B', default: '90:10' },
};

export function engineSettings(
  arguments_: Arguments,
  dataDirectory: string,
  command: string,
): EngineSettings {
  const models = arguments_.text('models-dir');
  return {
    dataDirectory: resolve(dataDirectory),
    modelsDirectory: models === undefined ? DEFAULT_MODELS_DIRECTORY : resolve(models),
    modelVersions: { A: arguments_.required('model-a'), B: arguments_.required('model-b') },
    percentA: parsePercentA(arguments_.required('split')),
    salt: DEFAULT_SALT,
    reasonsBudgetMs: Number.POSITIVE_INFINITY, // nobody waits for an answer
    command,
    redis: undefined,
    kafka: undefined,
  };
}

function parsePercentA(split: string): number {
  try {
    return parseSplit(split);
  } catch (error) {
    throw new UsageError(`--split: ${(error as Error).message}`);
  }
}

/** For verbs that tell about themselves in other ways. */
export const quietObserver: EngineObserver = {
  onStage: () => {},
  onCatchUp: () => {},
  onTroubles: () => {},
  onRepaired: () => {},
  onViewsAhead: () =>
    process.stderr.write('fraud: the views know more than the log, and are made again from it\n'),
  onTornTail: (bytes) =>
    process.stderr.write(`fraud: ${bytes} bytes of an unfinished write were cut off the log\n`),
};
