import { join } from 'node:path';
import { type KafkaSettings, readKafkaSettings } from '../../src/adapters/kafka/kafka-settings.ts';
import { TopicAdmin } from '../../src/adapters/kafka/topic-admin.ts';
import { findFreePorts, LOCALHOST } from '../../src/adapters/local-servers/free-ports.ts';
import { prepareKafka } from '../../src/adapters/local-servers/kafka-broker.ts';
import { findKafka } from '../../src/adapters/local-servers/kafka-libraries.ts';
import type { LocalServer } from '../../src/adapters/local-servers/local-server.ts';
import { findPrograms } from '../../src/adapters/local-servers/programs.ts';
import { prepareRedis } from '../../src/adapters/local-servers/redis-server.ts';
import { readRecord } from '../../src/adapters/local-servers/server-record.ts';
import type { NamedProcess } from './meter.ts';

/** One Redis and one broker of our own, with the topics, for as long as a measurement lasts. */
export type FleetServers = AsyncDisposable & {
  readonly redisPort: number;
  readonly kafka: KafkaSettings;
  readonly processes: readonly NamedProcess[];
  /** What `fraud` is told to find them. */
  readonly environment: Readonly<Record<string, string>>;
};

export async function startFleetServers(folder: string): Promise<FleetServers> {
  await using resources = new AsyncDisposableStack();
  const [redisPort, kafkaPort, controllerPort] = await findFreePorts(3);
  const redis = await prepareOwnRedis(join(folder, 'redis'), redisPort!);
  const broker = await prepareOwnBroker(folder, [kafkaPort!, controllerPort!]);
  for (const server of [redis, broker]) await startOwned(server, resources);
  const environment = {
    REDIS_HOST: LOCALHOST,
    REDIS_PORT: `${redisPort}`,
    KAFKA_BOOTSTRAP_SERVERS: `${LOCALHOST}:${kafkaPort}`,
  };
  const kafka = readKafkaSettings(environment)!;
  await using admin = new TopicAdmin(kafka);
  await admin.create();
  const processes = [
    { name: 'Redis', pid: await pidOf(redis) },
    { name: 'broker', pid: await pidOf(broker) },
  ];
  const owned = resources.move();
  return {
    ...{ redisPort: redisPort!, kafka, processes, environment },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function prepareOwnRedis(folder: string, port: number): Promise<LocalServer> {
  const [program] = await findPrograms(['redis-server'], say);
  return prepareRedis({ name: 'redis', folder, port, program: program! });
}

async function prepareOwnBroker(folder: string, [port, controllerPort]: readonly [number, number]) {
  const program = await findKafka(say);
  const [broker] = await prepareKafka({ folder, ports: [port], controllerPorts: [controllerPort], program });
  return broker!;
}

/** A measurement that is broken off leaves no server behind. */
async function startOwned(server: LocalServer, resources: AsyncDisposableStack): Promise<void> {
  const kill = () => server.killAtExit();
  process.once('exit', kill);
  resources.defer(async () => {
    await server.kill();
    process.off('exit', kill);
  });
  await server.start({ isDetached: false });
}

async function pidOf(server: LocalServer): Promise<number> {
  return (await readRecord(server.recipe.folder))!.pid;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
