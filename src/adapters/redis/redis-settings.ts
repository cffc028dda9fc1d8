import { readFileSync } from 'node:fs';

/** What the environment may say about Redis. Where it names no host, histories and decisions are kept in DATA_DIR. */
export const REDIS_VARIABLES: Readonly<
  Record<string, { readonly default: string; readonly meaning: string }>
> = {
  REDIS_HOST: {
    default: '',
    meaning: 'host of Redis, or of one node of the cluster; without it views are embedded',
  },
  REDIS_PORT: { default: '6379', meaning: 'its port' },
  REDIS_CLUSTER: { default: 'false', meaning: '`true` if it is a Redis Cluster' },
  REDIS_USERNAME: { default: '', meaning: 'ACL user; without it the default one' },
  REDIS_PASSWORD: { default: '', meaning: 'password of the user' },
  REDIS_PASSWORD_FILE: { default: '', meaning: 'file with the password, instead of REDIS_PASSWORD' },
  REDIS_TLS: { default: 'false', meaning: '`true` to connect by TLS' },
  REDIS_CA_FILE: {
    default: '',
    meaning: "PEM file of the server's authority; without it the system's authorities",
  },
  REDIS_CERT_FILE: { default: '', meaning: 'PEM file of the client certificate' },
  REDIS_KEY_FILE: { default: '', meaning: 'PEM file of its key' },
  REDIS_DECISION_DAYS: {
    default: '45',
    meaning:
      'days that a decision is found for; labels of older ones, which no feature looks at, are refused',
  },
  REDIS_HISTORY_DAYS: { default: '90', meaning: 'days without a record after which a history is forgotten' },
  STORE_DEADLINE_MS: {
    default: '50',
    meaning: 'milliseconds that a decision may wait for Redis, all in all; then it is made without it',
  },
};

/** In PEM, by the names that node:tls has for them. */
export type RedisTls = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
};

export type RedisSecurity = {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: RedisTls | undefined;
};

export type StoreDeadlines = {
  readonly recordMs: number;
  readonly findMs: number;
  readonly claimMs: number;
};

export type RedisSettings = {
  readonly host: string;
  readonly port: number;
  /**
   * Said, not found out: the service must start the same way when Redis is not there to be asked. A single server's
   * client refuses to serve before a cluster's node, and says so (`MOVED`).
   */
  readonly isCluster: boolean;
  readonly security: RedisSecurity;
  readonly decisionSeconds: number;
  readonly historySeconds: number;
  readonly deadlines: StoreDeadlines;
};

/** A variable's value cannot be used, or contradicts another's; found at the start. */
export class RedisSettingsError extends Error {
  readonly code = 'redis-settings';
}

const DAY_SECONDS = 86_400;
const DAYS_MAX = 36_500;
/** Below this nothing can be asked in time; above it no caller is still waiting. */
const DEADLINE_MS = { min: 10, max: 10_000 };
/** Of the whole, which has a tenth left for everything else. */
const SHARES = { recordMs: 0.5, findMs: 0.2, claimMs: 0.2 };

type Texts = (name: string) => string | undefined;

/**
 * @returns undefined where the environment names no Redis
 * @throws RedisSettingsError naming the variable
 */
export function readRedisSettings(environment: NodeJS.ProcessEnv): RedisSettings | undefined {
  const text = (name: string) => environment[name] || undefined;
  const host = text('REDIS_HOST');
  if (host === undefined) {
    const alone = Object.keys(REDIS_VARIABLES).find((name) => name.startsWith('REDIS_') && text(name));
    if (alone) throw new RedisSettingsError(`${alone} is set, but REDIS_HOST is not`);
    return undefined;
  }
  return Object.freeze({
    host,
    port: wholeNumber(text, 'REDIS_PORT', { min: 1, max: 65_535 }),
    isCluster: flag(text, 'REDIS_CLUSTER'),
    security: readSecurity(text),
    decisionSeconds: DAY_SECONDS * wholeNumber(text, 'REDIS_DECISION_DAYS', { min: 1, max: DAYS_MAX }),
    historySeconds: DAY_SECONDS * wholeNumber(text, 'REDIS_HISTORY_DAYS', { min: 1, max: DAYS_MAX }),
    deadlines: deadlinesOf(wholeNumber(text, 'STORE_DEADLINE_MS', DEADLINE_MS)),
  });
}

export function deadlinesOf(totalMs: number): StoreDeadlines {
  return Object.freeze({
    recordMs: Math.floor(totalMs * SHARES.recordMs),
    findMs: Math.floor(totalMs * SHARES.findMs),
    claimMs: Math.floor(totalMs * SHARES.claimMs),
  });
}

function readSecurity(text: Texts): RedisSecurity {
  const username = text('REDIS_USERNAME');
  const password = readPassword(text);
  if (username !== undefined && password === undefined) {
    throw new RedisSettingsError('REDIS_USERNAME needs REDIS_PASSWORD or REDIS_PASSWORD_FILE');
  }
  return Object.freeze({ username, password, tls: readTls(text) });
}

function readPassword(text: Texts): string | undefined {
  const [password, file] = [text('REDIS_PASSWORD'), text('REDIS_PASSWORD_FILE')];
  if (password !== undefined && file !== undefined) {
    throw new RedisSettingsError('REDIS_PASSWORD and REDIS_PASSWORD_FILE are both set; one is enough');
  }
  if (file === undefined) return password;
  const read = contentOf(text, 'REDIS_PASSWORD_FILE')?.replace(/\r?\n$/, '');
  if (!read) throw new RedisSettingsError('REDIS_PASSWORD_FILE: the file is empty');
  return read;
}

function readTls(text: Texts): RedisTls | undefined {
  const files = ['REDIS_CA_FILE', 'REDIS_CERT_FILE', 'REDIS_KEY_FILE'];
  if (!flag(text, 'REDIS_TLS')) {
    const named = files.find((name) => text(name) !== undefined);
    if (named) throw new RedisSettingsError(`${named} is set, but REDIS_TLS is not true`);
    return undefined;
  }
  const [ca, cert, key] = files.map((name) => contentOf(text, name));
  if ((cert === undefined) !== (key === undefined)) {
    throw new RedisSettingsError('REDIS_CERT_FILE and REDIS_KEY_FILE go together; one of them is missing');
  }
  return Object.freeze({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}

function contentOf(text: Texts, name: string): string | undefined {
  const path = text(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RedisSettingsError(`${name}: ${(cause as Error).message}`, { cause });
  }
}

function flag(text: Texts, name: string): boolean {
  const said = text(name) ?? REDIS_VARIABLES[name].default;
  if (said === 'true' || said === 'false') return said === 'true';
  throw new RedisSettingsError(`${name} must be true or false, not "${said}"`);
}

function wholeNumber(
  text: Texts,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
) {
  const said = text(name) ?? REDIS_VARIABLES[name].default;
  const value = Number(said);
  if (/^\d{1,9}$/.test(said) && value >= min && value <= max) return value;
  throw new RedisSettingsError(`${name} must be a whole number from ${min} to ${max}, not "${said}"`);
}
