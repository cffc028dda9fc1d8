import { isAbsolute, join, resolve } from 'node:path';
import { KAFKA_VARIABLES, readKafkaSettings } from '../adapters/kafka/kafka-settings.ts';
import { REDIS_VARIABLES, readRedisSettings } from '../adapters/redis/redis-settings.ts';
import { UsageError } from '../command-line/command.ts';
import { parseSplit } from '../core/experiment/assignment.ts';
import type { EngineSettings } from './engine.ts';

/** What a process that decides is told by its environment. */
export type ServiceSettings = {
  readonly host: string;
  readonly port: number;
  readonly engine: EngineSettings;
  /** For `fraud stream`: false makes it a feature processor that decides nothing. */
  readonly isScoringStream: boolean;
};

export type Variable = { readonly default: string; readonly meaning: string };

/** What the environment may say: documented in docs/environment.md, which a test holds to this. */
export const VARIABLES: Readonly<Record<string, Variable>> = {
  PORT: { default: '8000', meaning: 'port to listen on' },
  HOST: { default: '127.0.0.1', meaning: 'address to listen on; 0.0.0.0 for all' },
  DATA_DIR: { default: 'data', meaning: 'folder of the event log and its views, or of the spool' },
  MODELS_DIR: { default: 'models', meaning: 'folder of the model folders' },
  MODEL_VERSION_A: { default: 'v1', meaning: 'model of arm A' },
  MODEL_VERSION_B: { default: 'v2', meaning: 'model of arm B' },
  AB_TEST_SPLIT: { default: '90:10', meaning: 'percent of users in arm A and arm B' },
  AB_TEST_SALT: { default: 'fraud-detection', meaning: 'mixed into the assignment of users to arms' },
  REASONS_BUDGET_MS: {
    default: '2',
    meaning: 'how long a batch may look for reasons before it answers without (`degraded: ["decide"]`)',
  },
  SCORE_STREAM: { default: 'true', meaning: 'false: `fraud stream` only keeps features fresh' },
  ...REDIS_VARIABLES,
  ...KAFKA_VARIABLES,
};

/** Prefixes that are ours alone: a variable with one of them that means nothing is a misspelling. */
const OUR_PREFIXES = [
  ...['FRAUD_', 'MODEL_VERSION_', 'AB_TEST_', 'MODELS_', 'REDIS_', 'KAFKA_', 'STORE_', 'SPOOL_'],
  'SCORE_',
  'REASONS_',
];

export type ServiceDefaults = {
  /** The verb that reads the settings, for whoever finds its data directory in use. */
  readonly command: string;
  readonly port?: string;
  readonly dataDirectory?: string;
  /** How long stores and log are waited for, where nobody waits at a till. */
  readonly deadlineMs?: number;
};

/** @throws UsageError naming the variable */
export function readServiceSettings(
  environment: NodeJS.ProcessEnv,
  root: string,
  defaults: ServiceDefaults,
): ServiceSettings {
  refuseUnknown(environment);
  const servers = withDeadlines(environment, defaults.deadlineMs);
  const text = (name: string) => environment[name] || VARIABLES[name].default;
  const folder = (name: string, standard: string) => {
    const named = environment[name];
    return named ? (isAbsolute(named) ? named : resolve(named)) : join(root, standard);
  };
  return {
    host: text('HOST'),
    port: parsePort(environment.PORT || (defaults.port ?? VARIABLES.PORT.default)),
    isScoringStream: parseFlag('SCORE_STREAM', text('SCORE_STREAM')),
    engine: {
      dataDirectory: folder('DATA_DIR', defaults.dataDirectory ?? VARIABLES.DATA_DIR.default),
      modelsDirectory: folder('MODELS_DIR', VARIABLES.MODELS_DIR.default),
      modelVersions: { A: text('MODEL_VERSION_A'), B: text('MODEL_VERSION_B') },
      percentA: named('AB_TEST_SPLIT', () => parseSplit(text('AB_TEST_SPLIT'))),
      salt: text('AB_TEST_SALT'),
      reasonsBudgetMs: parseMilliseconds('REASONS_BUDGET_MS', text('REASONS_BUDGET_MS')),
      command: defaults.command,
      redis: named(undefined, () => readRedisSettings(servers)),
      kafka: named(undefined, () => readKafkaSettings(servers)),
    },
  };
}

/** Only beside the server that they are about: alone, the deadline of one that is not named is a mistake. */
function withDeadlines(environment: NodeJS.ProcessEnv, deadlineMs: number | undefined): NodeJS.ProcessEnv {
  if (deadlineMs === undefined) return environment;
  const deadlines: NodeJS.ProcessEnv = {};
  if (environment.REDIS_HOST) deadlines.STORE_DEADLINE_MS = String(deadlineMs);
  if (environment.KAFKA_BOOTSTRAP_SERVERS) deadlines.KAFKA_PUBLISH_DEADLINE_MS = String(deadlineMs);
  return { ...deadlines, ...environment };
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

function parseMilliseconds(name: string, text: string): number {
  if (/^\d{1,6}(\.\d{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`${name} must be a number of milliseconds from 0 to 999999, not "${text}"`);
}

function parseFlag(name: string, text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UsageError(`${name} must be true or false, not "${text}"`);
}

/** What is wrong with a setting is wrong with what was typed. @param variable undefined where the error names it itself */
function named<Value>(variable: string | undefined, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(variable === undefined ? message : `${variable}: ${message}`);
  }
}
