import { isAbsolute, join, resolve } from 'node:path';
import type { EngineSettings } from '../../assembly/engine.ts';
import { UsageError } from '../../command-line/command.ts';
import { parseSplit } from '../../core/experiment/assignment.ts';

export type ServeSettings = {
  readonly host: string;
  readonly port: number;
  readonly engine: EngineSettings;
};

/** What the environment may say to `serve`: documented in docs/environment.md, which a test holds to this. */
export const VARIABLES: Readonly<Record<string, { readonly default: string; readonly meaning: string }>> = {
  PORT: { default: '8000', meaning: 'port to listen on' },
  HOST: { default: '127.0.0.1', meaning: 'address to listen on; 0.0.0.0 for all' },
  DATA_DIR: { default: 'data', meaning: 'folder of the event log and its views' },
  MODELS_DIR: { default: 'models', meaning: 'folder of the model folders' },
  MODEL_VERSION_A: { default: 'v1', meaning: 'model of arm A' },
  MODEL_VERSION_B: { default: 'v2', meaning: 'model of arm B' },
  AB_TEST_SPLIT: { default: '90:10', meaning: 'percent of users in arm A and arm B' },
  AB_TEST_SALT: { default: 'fraud-detection', meaning: 'mixed into the assignment of users to arms' },
};

/** Prefixes that are ours alone: a variable with one of them that means nothing is a misspelling. */
const OUR_PREFIXES = ['FRAUD_', 'MODEL_VERSION_', 'AB_TEST_', 'MODELS_', 'REDIS_', 'KAFKA_'];

/** @throws UsageError naming the variable */
export function readSettings(environment: NodeJS.ProcessEnv, root: string): ServeSettings {
  refuseUnknown(environment);
  const text = (name: string) => environment[name] || VARIABLES[name].default;
  const folder = (name: string) => (isAbsolute(text(name)) ? text(name) : resolve(text(name)));
  return {
    host: text('HOST'),
    port: parsePort(text('PORT')),
    engine: {
      dataDirectory: environment.DATA_DIR ? folder('DATA_DIR') : join(root, VARIABLES.DATA_DIR.default),
      modelsDirectory: environment.MODELS_DIR
        ? folder('MODELS_DIR')
        : join(root, VARIABLES.MODELS_DIR.default),
      modelVersions: { A: text('MODEL_VERSION_A'), B: text('MODEL_VERSION_B') },
      percentA: named('AB_TEST_SPLIT', () => parseSplit(text('AB_TEST_SPLIT'))),
      salt: text('AB_TEST_SALT'),
      command: 'fraud serve',
    },
  };
}

function refuseUnknown(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) {
    if (name in VARIABLES || !OUR_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    const known = Object.keys(VARIABLES).join(', ');
    throw new UsageError(`the environment variable ${name} means nothing to this version; it knows ${known}`);
  }
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`PORT must be a whole number from 0 to 65535, not "${text}"`);
}

function named<Value>(variable: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(`${variable}: ${(error as Error).message}`);
  }
}
