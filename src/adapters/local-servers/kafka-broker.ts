/**
 * Brokers that are their own controllers (KRaft): one, or three that replicate. Clients come to one listener, which may
 * require SASL/SCRAM or a certificate; controllers talk on another, unencrypted, on this machine.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Admin, type BaseOptions } from '@platformatic/kafka';
import { type Certificates, writeKeyStore } from './certificates.ts';
import { LOCALHOST } from './free-ports.ts';
import type { KafkaProgram } from './kafka-libraries.ts';
import { LocalServer } from './local-server.ts';
import { runProgram } from './run-program.ts';

const CONFIG_FILE = 'server.properties';
const KEY_STORE_FILE = 'server.pem';
const SCRAM = 'SCRAM-SHA-512';
const ANSWER_WITHIN_MS = 2_000;
const HEAP_ALONE = '512m';
const HEAP_OF_THREE = '320m';

/** For a JVM that will not live long enough to gain by its better compiler: a quarter less to start. */
export const SHORT_LIVED = ['-XX:TieredStopAtLevel=1'];

/** What a broker demands of its clients: TLS and this user's password, or TLS with a certificate of theirs. */
export type KafkaSecurity =
  | {
      readonly kind: 'scram';
      readonly user: string;
      readonly password: string;
      readonly certificates: Certificates;
    }
  | { readonly kind: 'mtls'; readonly certificates: Certificates };

export type KafkaOptions = {
  /** Each broker's folder is in it. */
  readonly folder: string;
  /** A broker each. */
  readonly ports: readonly number[];
  readonly controllerPorts: readonly number[];
  readonly program: KafkaProgram;
  readonly security?: KafkaSecurity | undefined;
  /** Further options of every JVM. */
  readonly javaOptions?: readonly string[];
  /** Further properties of every broker. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
};

/** Brokers that are not started yet, with their folders, configurations and formatted storage. */
export async function prepareKafka(options: KafkaOptions): Promise<readonly LocalServer[]> {
  const clusterId = await clusterIdOf(options.folder);
  return Promise.all(options.ports.map((_, index) => prepareBroker(options, index, clusterId)));
}

async function prepareBroker(options: KafkaOptions, index: number, clusterId: string): Promise<LocalServer> {
  const { ports, program, security, javaOptions = [] } = options;
  const name = ports.length === 1 ? 'kafka' : `kafka-${index + 1}`;
  const folder = join(options.folder, name);
  await mkdir(folder, { recursive: true });
  const configFile = join(folder, CONFIG_FILE);
  await writeFile(configFile, propertiesOf(options, index, folder));
  if (security !== undefined) await writeKeyStore(security.certificates, join(folder, KEY_STORE_FILE));
  await format(options, folder, clusterId);
  const port = ports[index];
  const heap = ports.length === 1 ? HEAP_ALONE : HEAP_OF_THREE;
  return new LocalServer({
    name,
    folder,
    port,
    program: program.java,
    words: [`-Xmx${heap}`, ...javaOptions, ...javaWords(program), 'kafka.Kafka', configFile],
    isReady: () => knowsBrokers(port, ports.length, security),
  });
}

/** One for all brokers, kept: storage that was formatted for another cluster is refused. */
async function clusterIdOf(folder: string): Promise<string> {
  const path = join(folder, 'cluster-id');
  if (existsSync(path)) return readFile(path, 'utf8');
  await mkdir(folder, { recursive: true });
  const id = randomBytes(16).toString('base64url').replace(/^-/, 'A'); // a leading dash would be read as an option
  await writeFile(path, id);
  return id;
}

async function format({ program, security }: KafkaOptions, folder: string, clusterId: string): Promise<void> {
  if (existsSync(join(folder, 'data', 'meta.properties'))) return;
  const words = ['format', '--config', join(folder, CONFIG_FILE), '--cluster-id', clusterId];
  const user =
    security?.kind === 'scram'
      ? ['--add-scram', `${SCRAM}=[name=${security.user},password=${security.password}]`]
      : [];
  const quick = [...SHORT_LIVED, ...javaWords(program)];
  await runProgram(program.java, [...quick, 'kafka.tools.StorageTool', ...words, ...user]);
}

function javaWords({ libraries }: KafkaProgram): readonly string[] {
  const log = ['defaultLogLevel=warn', 'showDateTime=true', 'dateTimeFormat=HH:mm:ss.SSS'];
  return [...log.map((setting) => `-Dorg.slf4j.simpleLogger.${setting}`), '-cp', join(libraries, '*')];
}

/** Metadata that names all brokers: a broker that only listens, or waits for its controller, has none. */
async function knowsBrokers(
  port: number,
  count: number,
  security: KafkaSecurity | undefined,
): Promise<boolean> {
  const bootstrapBrokers = [`${LOCALHOST}:${port}`];
  return (await countBrokers({ bootstrapBrokers, ...(await credentialsOf(security)) })) === count;
}

export type KafkaConnection = Pick<BaseOptions, 'bootstrapBrokers' | 'tls' | 'sasl'>;

/** How many brokers those know that are asked. @throws where none answers */
export async function countBrokers(connection: KafkaConnection): Promise<number> {
  const limits = { connectTimeout: ANSWER_WITHIN_MS, timeout: ANSWER_WITHIN_MS, retries: 0 };
  const admin = new Admin({ ...connection, ...limits, clientId: 'local-servers' });
  try {
    return (await admin.metadata({ topics: [] })).brokers.size;
  } finally {
    await admin.close();
  }
}

async function credentialsOf(
  security: KafkaSecurity | undefined,
): Promise<Pick<BaseOptions, 'tls' | 'sasl'>> {
  if (security === undefined) return {};
  const { caFile, clientCertificateFile, clientKeyFile } = security.certificates;
  const ca = await readFile(caFile);
  if (security.kind === 'scram') {
    const { user: username, password } = security;
    return { tls: { ca }, sasl: { mechanism: SCRAM, username, password } };
  }
  return { tls: { ca, cert: await readFile(clientCertificateFile), key: await readFile(clientKeyFile) } };
}

function propertiesOf(options: KafkaOptions, index: number, folder: string): string {
  const { ports, controllerPorts, security, settings } = options;
  const replicas = String(ports.length);
  const inSync = String(ports.length === 1 ? 1 : 2);
  const protocol = protocolOf(security);
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(index + 1),
    'controller.quorum.voters': controllerPorts.map((port, at) => `${at + 1}@${LOCALHOST}:${port}`).join(','),
    listeners: `CLIENTS://${LOCALHOST}:${ports[index]},CONTROLLERS://${LOCALHOST}:${controllerPorts[index]}`,
    'listener.security.protocol.map': `CLIENTS:${protocol},CONTROLLERS:PLAINTEXT`,
    'inter.broker.listener.name': 'CLIENTS',
    'controller.listener.names': 'CONTROLLERS',
    'log.dirs': join(folder, 'data'),
    'auto.create.topics.enable': 'false',
    'min.insync.replicas': inSync,
    'default.replication.factor': replicas,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    ...SMALL,
    ...securityProperties(security, folder),
    ...settings,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** A few cores and small heaps; and a broker that is gone or hangs is known to be so in seconds, not in half a minute. */
const SMALL = {
  'num.network.threads': '2',
  'num.io.threads': '4',
  'offsets.topic.num.partitions': '8',
  'transaction.state.log.num.partitions': '4',
  'log.cleaner.dedupe.buffer.size': '16777216',
  'group.initial.rebalance.delay.ms': '0',
  'broker.heartbeat.interval.ms': '1000',
  'broker.session.timeout.ms': '4000',
} as const;

function protocolOf(security: KafkaSecurity | undefined): string {
  if (security === undefined) return 'PLAINTEXT';
  return security.kind === 'scram' ? 'SASL_SSL' : 'SSL';
}

function securityProperties(
  security: KafkaSecurity | undefined,
  folder: string,
): Readonly<Record<string, string>> {
  if (security === undefined) return {};
  const stores = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(folder, KEY_STORE_FILE),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': security.certificates.caFile,
  };
  if (security.kind === 'mtls') return { ...stores, 'ssl.client.auth': 'required' };
  const login = 'org.apache.kafka.common.security.scram.ScramLoginModule required';
  return {
    ...stores,
    'sasl.enabled.mechanisms': SCRAM,
    'sasl.mechanism.inter.broker.protocol': SCRAM,
    [`listener.name.clients.${SCRAM.toLowerCase()}.sasl.jaas.config`]: `${login} username="${security.user}" password="${security.password}";`,
  };
}
