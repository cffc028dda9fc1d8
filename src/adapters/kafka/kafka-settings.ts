/** What the environment says of Kafka: read once into one frozen object; contradictions are refused by name. */
import { readFileSync } from 'node:fs';

const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;
const MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'] as const;
/** Kafka's own rule for the names of topics and groups, so that a prefix cannot make a name that it refuses. */
const NAME_PATTERN = /^[\w.-]{1,200}$/;

export type KafkaLogin = {
  readonly mechanism: (typeof MECHANISMS)[number];
  readonly username: string;
  readonly password: string;
};

/** The contents of the files, PEM; without a file of authorities the system's are trusted. */
export type KafkaTls = {
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
};

export type KafkaSettings = {
  /** `host:port` each. */
  readonly bootstrapServers: readonly string[];
  readonly tls: KafkaTls | undefined;
  readonly login: KafkaLogin | undefined;
  readonly consumerGroup: string;
  readonly topicPrefix: string;
  readonly publishDeadlineMs: number;
  readonly spoolBytesMax: number;
};

/** Documented in docs/environment.md. */
export const KAFKA_VARIABLES: Readonly<
  Record<string, { readonly default: string; readonly meaning: string }>
> = {
  KAFKA_BOOTSTRAP_SERVERS: { default: '', meaning: 'brokers as host:port,host:port; empty: no Kafka' },
  KAFKA_SECURITY_PROTOCOL: { default: 'PLAINTEXT', meaning: PROTOCOLS.join(', ') },
  KAFKA_SASL_MECHANISM: { default: 'SCRAM-SHA-512', meaning: MECHANISMS.join(', ') },
  KAFKA_SASL_USERNAME: { default: '', meaning: 'user, where the protocol is SASL_*' },
  KAFKA_SASL_PASSWORD: { default: '', meaning: 'its password' },
  KAFKA_SASL_PASSWORD_FILE: { default: '', meaning: 'file that holds the password, instead of the variable' },
  KAFKA_CA_FILE: {
    default: '',
    meaning: 'PEM file of the authorities that are trusted, instead of the system’s',
  },
  KAFKA_CERT_FILE: { default: '', meaning: 'PEM file of our certificate, where brokers ask for one' },
  KAFKA_KEY_FILE: { default: '', meaning: 'PEM file of its key' },
  KAFKA_CONSUMER_GROUP: { default: 'fraud-stream', meaning: 'consumer group of fraud stream' },
  KAFKA_TOPIC_PREFIX: { default: '', meaning: 'what all names of topics begin with' },
  KAFKA_PUBLISH_DEADLINE_MS: {
    default: '30',
    meaning: 'after so long without an acknowledgement decisions go to the local spool',
  },
  SPOOL_MAX_BYTES: {
    default: '268435456',
    meaning: 'most that the local spool holds; then requests are refused',
  },
};

/** A variable says what cannot be, or contradicts another; the message names it. */
export class KafkaSettingsError extends Error {
  readonly code = 'kafka-settings';
}

/**
 * Undefined where no brokers are named.
 * @throws KafkaSettingsError
 */
export function readKafkaSettings(environment: NodeJS.ProcessEnv): KafkaSettings | undefined {
  const text = (name: string) => environment[name] || KAFKA_VARIABLES[name].default;
  const given = Object.keys(KAFKA_VARIABLES).filter((name) => environment[name]);
  if (text('KAFKA_BOOTSTRAP_SERVERS') === '') {
    const alone = given.find((name) => name.startsWith('KAFKA_'));
    if (alone !== undefined) refuse(`${alone} is set, but KAFKA_BOOTSTRAP_SERVERS names no broker`);
    return undefined;
  }
  const protocol = oneOf('KAFKA_SECURITY_PROTOCOL', text('KAFKA_SECURITY_PROTOCOL'), PROTOCOLS);
  refuseContradictions(given, protocol);
  return Object.freeze({
    bootstrapServers: Object.freeze(parseServers(text('KAFKA_BOOTSTRAP_SERVERS'))),
    tls: protocol.endsWith('SSL') ? readTls(text) : undefined,
    login: protocol.startsWith('SASL') ? readLogin(text) : undefined,
    consumerGroup: parseName('KAFKA_CONSUMER_GROUP', text('KAFKA_CONSUMER_GROUP')),
    topicPrefix: text('KAFKA_TOPIC_PREFIX') && parseName('KAFKA_TOPIC_PREFIX', text('KAFKA_TOPIC_PREFIX')),
    publishDeadlineMs: wholeNumber(text, 'KAFKA_PUBLISH_DEADLINE_MS', { least: 1, most: 60_000 }),
    spoolBytesMax: wholeNumber(text, 'SPOOL_MAX_BYTES', { least: 1_048_576, most: 2 ** 40 }),
  });
}

/** What is set and has no effect would be believed to have one. */
function refuseContradictions(given: readonly string[], protocol: (typeof PROTOCOLS)[number]): void {
  const set = (name: string) => given.includes(name);
  const idle = given.filter(
    (name) =>
      (name.startsWith('KAFKA_SASL_') && !protocol.startsWith('SASL')) ||
      (/^KAFKA_(CA|CERT|KEY)_FILE$/.test(name) && !protocol.endsWith('SSL')),
  );
  if (idle.length > 0)
    refuse(`${idle[0]} is set, but KAFKA_SECURITY_PROTOCOL is ${protocol}, which ignores it`);
  if (set('KAFKA_SASL_PASSWORD') && set('KAFKA_SASL_PASSWORD_FILE')) {
    refuse('KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set; one of them is enough');
  }
  if (set('KAFKA_CERT_FILE') !== set('KAFKA_KEY_FILE')) {
    const [there, missing] = set('KAFKA_CERT_FILE') ? ['CERT', 'KEY'] : ['KEY', 'CERT'];
    refuse(`KAFKA_${there}_FILE is set, but KAFKA_${missing}_FILE is not; they belong together`);
  }
}

function readTls(text: (name: string) => string): KafkaTls {
  const file = (name: string) => (text(name) === '' ? undefined : readFile(name, text(name)));
  return Object.freeze({
    ca: file('KAFKA_CA_FILE'),
    certificate: file('KAFKA_CERT_FILE'),
    key: file('KAFKA_KEY_FILE'),
  });
}

function readLogin(text: (name: string) => string): KafkaLogin {
  const mechanism = oneOf('KAFKA_SASL_MECHANISM', text('KAFKA_SASL_MECHANISM'), MECHANISMS);
  const username = text('KAFKA_SASL_USERNAME');
  if (username === '') refuse('KAFKA_SASL_USERNAME is missing; KAFKA_SECURITY_PROTOCOL asks for a user');
  const path = text('KAFKA_SASL_PASSWORD_FILE');
  const password =
    path === ''
      ? text('KAFKA_SASL_PASSWORD')
      : readFile('KAFKA_SASL_PASSWORD_FILE', path).replace(/\r?\n$/, '');
  if (password === '') refuse('KAFKA_SASL_PASSWORD is missing, and so is KAFKA_SASL_PASSWORD_FILE');
  return Object.freeze({ mechanism, username, password });
}

function readFile(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KafkaSettingsError(`${name} names ${path}, which cannot be read`, { cause });
  }
}

function parseServers(text: string): string[] {
  return text.split(',').map((part) => {
    const server = part.trim();
    const port = Number(/^[^\s:,]+:(\d{1,5})$/.exec(server)?.[1]);
    if (!(port > 0 && port <= 65_535)) {
      refuse(`KAFKA_BOOTSTRAP_SERVERS must be host:port,host:port; "${server}" is not`);
    }
    return server;
  });
}

function parseName(variable: string, text: string): string {
  if (NAME_PATTERN.test(text)) return text;
  return refuse(`${variable} must be letters, digits, ".", "_" and "-", at most 200, not "${text}"`);
}

function oneOf<Value extends string>(variable: string, text: string, values: readonly Value[]): Value {
  const value = values.find((candidate) => candidate === text);
  return value ?? refuse(`${variable} must be one of ${values.join(', ')}, not "${text}"`);
}

function wholeNumber(
  text: (name: string) => string,
  variable: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const number = Number(text(variable));
  if (/^\d+$/.test(text(variable)) && number >= least && number <= most) return number;
  return refuse(`${variable} must be a whole number from ${least} to ${most}, not "${text(variable)}"`);
}

function refuse(message: string): never {
  throw new KafkaSettingsError(message);
}
