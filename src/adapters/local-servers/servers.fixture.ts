/**
 * Real servers for tests, each on free ports and in a temporary folder. They end with the test that started them; shared
 * ones with the test file. Servers that the environment names are never used: tests break theirs, and those may be somebody's.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { undoAtEnd } from '../../../test/start-service.ts';
import { makeCertificates } from './certificates.ts';
import { findFreePorts, LOCALHOST } from './free-ports.ts';
import { type KafkaSecurity, prepareKafka, SHORT_LIVED } from './kafka-broker.ts';
import { findKafka } from './kafka-libraries.ts';
import type { LocalServer } from './local-server.ts';
import { MissingProgramError } from './local-server-errors.ts';
import { findPrograms } from './programs.ts';
import { CLUSTER_NODES, findMasters, prepareRedisCluster } from './redis-cluster.ts';
import { prepareRedis, type RedisSecurity } from './redis-server.ts';
import { ServerGroup } from './server-group.ts';

export type RedisForTest = {
  readonly host: string;
  readonly port: number;
  /** User, password and files of certificates, where it requires them. */
  readonly security: RedisSecurity | undefined;
  /** To stop, kill, pause, resume and restart it. */
  readonly servers: ServerGroup;
};

export type RedisClusterForTest = {
  /** Six nodes; a client needs any one to find the others. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** All nodes; `servers.nodes` has each. */
  readonly servers: ServerGroup;
  /** Those of the nodes that are masters now. */
  readonly findMasters: () => Promise<readonly LocalServer[]>;
};

export type KafkaForTest = {
  /** `host:port` of each broker. */
  readonly bootstrapServers: readonly string[];
  readonly security: KafkaSecurity | undefined;
  /** All brokers; `servers.nodes` has each. */
  readonly servers: ServerGroup;
};

export type RedisTestOptions = {
  /** It requires TLS and a user with a password; `security` in the result has them. */
  readonly isSecure?: boolean;
  /** Lines of its configuration, such as `maxmemory`. */
  readonly settings?: Readonly<Record<string, string>>;
};

export type KafkaTestOptions = {
  readonly brokers?: 1 | 3;
  readonly requires?: KafkaSecurity['kind'];
  /** Further properties of every broker. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** What of a shared server belongs to one test: whatever it names, it names with this before it. */
export type Shared<Server> = Server & { readonly prefix: string };

/** Undefined, and the test skipped, where there is no Redis and none can be installed; in CI that fails. */
export function startRedis(
  test: TestContext,
  options: RedisTestOptions = {},
): Promise<RedisForTest | undefined> {
  return startFor(test, (folder) => createRedis(folder, options));
}

/** Undefined, and the test skipped, where there is no Redis and none can be installed; in CI that fails. */
export function startRedisCluster(
  test: TestContext,
  options: Pick<RedisTestOptions, 'settings'> = {},
): Promise<RedisClusterForTest | undefined> {
  return startFor(test, (folder) => createRedisCluster(folder, options));
}

/** Undefined, and the test skipped, where there is no Kafka and none can be installed; in CI that fails. */
export function startKafka(
  test: TestContext,
  options: KafkaTestOptions = {},
): Promise<KafkaForTest | undefined> {
  return startFor(test, (folder) => createKafka(folder, options));
}

/** One Redis for all tests of this file, started by the first of them. */
export function sharedRedis(test: TestContext): Promise<Shared<RedisForTest> | undefined> {
  return share(test, 'redis', (folder) => createRedis(folder, {}));
}

/** One cluster for all tests of this file, started by the first of them. */
export function sharedRedisCluster(test: TestContext): Promise<Shared<RedisClusterForTest> | undefined> {
  return share(test, 'redis-cluster', (folder) => createRedisCluster(folder, {}));
}

/** One broker for all tests of this file, started by the first of them: a JVM takes its seconds. */
export function sharedKafka(test: TestContext): Promise<Shared<KafkaForTest> | undefined> {
  return share(test, 'kafka', (folder) => createKafka(folder, {}));
}

/** Whether Redis and Kafka can be started here; where not, the test is skipped, and fails in CI. */
export async function canStartServers(test: TestContext): Promise<boolean> {
  const programs = () => Promise.all([findPrograms(['redis-server', 'redis-cli'], say), findKafka(say)]);
  return (await unlessMissing(test, programs)) !== undefined;
}

/** A server that is killed may write one more file. */
const REMOVALS_MAX = 5;

type Started = { readonly servers: ServerGroup };

const shared = new Map<string, Promise<Started>>();
const undoShared: (() => Promise<void>)[] = [];
/** With their folders. */
const running = new Map<ServerGroup, string>();

after(async () => {
  for (const undo of undoShared.toReversed()) await undo();
});

async function startFor<Server extends Started>(
  test: TestContext,
  create: (folder: string) => Promise<Server>,
): Promise<Server | undefined> {
  return unlessMissing(test, () => start((undo) => undoAtEnd(test, undo), create));
}

async function share<Server extends Started>(
  test: TestContext,
  key: string,
  create: (folder: string) => Promise<Server>,
): Promise<Shared<Server> | undefined> {
  let server = shared.get(key) as Promise<Server> | undefined;
  server ??= start((undo) => undoShared.push(undo), create);
  shared.set(key, server);
  const prefix = `test-${randomBytes(4).toString('hex')}-`;
  return unlessMissing(test, async () => ({ ...(await server), prefix }));
}

/** What undoes each step is known before the next is taken. */
async function start<Server extends Started>(
  undoLater: (undo: () => Promise<void>) => void,
  create: (folder: string) => Promise<Server>,
): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'fraud-test-servers-'));
  undoLater(() => rm(folder, { recursive: true, force: true }));
  const created = await create(folder);
  undoLater(() => end(created.servers));
  endWithThisProcess(created.servers, folder);
  await created.servers.start({ isDetached: false });
  return created;
}

async function end(servers: ServerGroup): Promise<void> {
  await servers.kill();
  running.delete(servers);
}

/** A test file that is broken off leaves no server behind. */
function endWithThisProcess(servers: ServerGroup, folder: string): void {
  running.set(servers, folder);
  if (process.listeners('exit').includes(killRunning)) return;
  process.once('exit', killRunning);
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));
}

function killRunning(): void {
  for (const [{ nodes }, folder] of running) {
    for (const node of nodes) node.killAtExit();
    rmSync(folder, { recursive: true, force: true, maxRetries: REMOVALS_MAX });
  }
}

async function unlessMissing<Result>(
  test: TestContext,
  make: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof MissingProgramError) || process.env.CI === 'true') throw error;
    test.skip(`NOT TESTED HERE: ${error.message}`);
    return undefined;
  }
}

async function createRedis(folder: string, { isSecure, settings }: RedisTestOptions): Promise<RedisForTest> {
  const [[program], [port]] = await Promise.all([findPrograms(['redis-server'], say), findFreePorts(1)]);
  const security = isSecure ? await redisSecurity(join(folder, 'certificates')) : undefined;
  const options = { name: 'redis', folder: join(folder, 'redis'), port, program, security, settings };
  return { host: LOCALHOST, port, security, servers: new ServerGroup([await prepareRedis(options)]) };
}

async function createRedisCluster(
  folder: string,
  { settings }: Pick<RedisTestOptions, 'settings'>,
): Promise<RedisClusterForTest> {
  const [server, cli] = await findPrograms(['redis-server', 'redis-cli'], say);
  const ports = await findFreePorts(CLUSTER_NODES);
  const servers = await prepareRedisCluster({ folder, ports, programs: { server, cli }, settings });
  const addresses = ports.map((port) => ({ host: LOCALHOST, port }));
  return { addresses, servers, findMasters: () => findMasters(servers.nodes) };
}

async function redisSecurity(folder: string): Promise<RedisSecurity> {
  await findPrograms(['openssl'], say);
  return { user: 'fraud', password: newPassword(), certificates: await makeCertificates(folder) };
}

async function createKafka(folder: string, options: KafkaTestOptions): Promise<KafkaForTest> {
  const { brokers = 1, requires, settings } = options;
  const [program, ports] = await Promise.all([findKafka(say), findFreePorts(2 * brokers)]);
  const security = requires && (await kafkaSecurity(requires, join(folder, 'certificates')));
  const clientPorts = ports.slice(0, brokers);
  const nodes = await prepareKafka({
    folder,
    ports: clientPorts,
    controllerPorts: ports.slice(brokers),
    program,
    security,
    settings,
    javaOptions: SHORT_LIVED,
  });
  const bootstrapServers = clientPorts.map((port) => `${LOCALHOST}:${port}`);
  return { bootstrapServers, security, servers: new ServerGroup(nodes) };
}

async function kafkaSecurity(kind: KafkaSecurity['kind'], folder: string): Promise<KafkaSecurity> {
  await findPrograms(['openssl'], say);
  const certificates = await makeCertificates(folder);
  return kind === 'mtls'
    ? { kind, certificates }
    : { kind, user: 'fraud', password: newPassword(), certificates };
}

function newPassword(): string {
  return randomBytes(16).toString('hex');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
