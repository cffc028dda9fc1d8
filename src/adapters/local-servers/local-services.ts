/**
 * Redis and Kafka for development on this machine: those that the environment names, which are only checked; else
 * servers of our own from local programs; else one of each in containers, where Docker answers.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { composeUp, isComposed, isComposeThere } from './docker-compose.ts';
import { LOCALHOST } from './free-ports.ts';
import { withLock } from './installation-lock.ts';
import { prepareKafka } from './kafka-broker.ts';
import { findKafka } from './kafka-libraries.ts';
import { MissingProgramError } from './local-server-errors.ts';
import { checkNamedKafka, checkNamedRedis } from './named-services.ts';
import { findPrograms, type OnProgress } from './programs.ts';
import { prepareRedisCluster } from './redis-cluster.ts';
import { prepareRedis } from './redis-server.ts';
import { ServerGroup } from './server-group.ts';
import { dockerMarkOf, type Kind, lockOf, portsOf, type Shape, serviceFolderOf } from './service-folder.ts';

/** Ports that a person expects: those of clients first, then those between brokers. */
const EXPECTED_PORTS = {
  redis: { single: [6379], fleet: [7001, 7002, 7003, 7004, 7005, 7006] },
  kafka: { single: [9092, 9093], fleet: [9192, 9193, 9194, 9195, 9196, 9197] },
} as const;

export type UpOptions = {
  /** Where the servers keep their data. */
  readonly folder: string;
  readonly shape: Shape;
  readonly kinds: readonly Kind[];
  readonly environment: NodeJS.ProcessEnv;
  readonly onProgress: OnProgress;
};

/** A service that can be used now. */
export type Service = {
  readonly kind: Kind;
  readonly source: 'environment' | 'local' | 'docker';
  /** `host:port` of each server. */
  readonly addresses: readonly string[];
  /** False if all of it was there before. */
  readonly isNew: boolean;
};

/**
 * Starts what is missing of the services, and waits until they serve.
 * @throws ServerSilentError for one that the environment names
 * @throws MissingProgramError
 * @throws PortTakenError
 * @throws ServerNotStartedError
 */
export async function bringUp(options: UpOptions): Promise<readonly Service[]> {
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true });
  return withLock(lockOf(folder), async () => {
    const services: Service[] = [];
    for (const kind of options.kinds) services.push(await bringUpOne(kind, { ...options, folder }));
    return services;
  });
}

async function bringUpOne(kind: Kind, options: UpOptions): Promise<Service> {
  const { environment } = options;
  const named = await (kind === 'redis' ? checkNamedRedis(environment) : checkNamedKafka(environment));
  if (named !== undefined) return { kind, source: 'environment', addresses: named, isNew: false };
  try {
    return await bringUpHere(kind, options);
  } catch (error) {
    if (!(error instanceof MissingProgramError)) throw error;
    return bringUpInDocker(kind, options, error);
  }
}

async function bringUpHere(kind: Kind, { folder, shape, onProgress }: UpOptions): Promise<Service> {
  const prepare = kind === 'redis' ? prepareRedisHere : prepareKafkaHere;
  const servers = await prepare(serviceFolderOf(folder, kind, shape), shape, onProgress);
  const addresses = servers.nodes.map(({ recipe }) => `${LOCALHOST}:${recipe.port}`);
  const isNew = !(await servers.isRunning());
  if (isNew)
    onProgress(`starting ${kind} (${addresses.length === 1 ? 'one server' : `${addresses.length} servers`})`);
  await servers.start({ isDetached: true });
  return { kind, source: 'local', addresses, isNew };
}

async function prepareRedisHere(folder: string, shape: Shape, onProgress: OnProgress): Promise<ServerGroup> {
  const [server, cli] = await findPrograms(['redis-server', 'redis-cli'], onProgress);
  const ports = await portsOf(folder, EXPECTED_PORTS.redis[shape]);
  if (shape === 'fleet') return prepareRedisCluster({ folder, ports, programs: { server, cli } });
  const name = 'redis';
  const redis = await prepareRedis({ name, folder: join(folder, name), port: ports[0], program: server });
  return new ServerGroup([redis]);
}

async function prepareKafkaHere(folder: string, shape: Shape, onProgress: OnProgress): Promise<ServerGroup> {
  const program = await findKafka(onProgress);
  const ports = await portsOf(folder, EXPECTED_PORTS.kafka[shape]);
  const brokers = ports.length / 2;
  const [clientPorts, controllerPorts] = [ports.slice(0, brokers), ports.slice(brokers)];
  return new ServerGroup(await prepareKafka({ folder, ports: clientPorts, controllerPorts, program }));
}

/** @throws MissingProgramError where there is no Docker either */
async function bringUpInDocker(
  kind: Kind,
  { folder, shape, onProgress }: UpOptions,
  missing: MissingProgramError,
): Promise<Service> {
  if (shape === 'fleet') throw missing;
  if (!(await isComposeThere()))
    throw new MissingProgramError(`${missing.message}; nor does Docker answer with its Compose`, {
      cause: missing,
    });
  const mark = dockerMarkOf(folder, kind);
  const isNew = !isComposed(mark);
  onProgress(`starting ${kind} in a container`);
  await composeUp(kind, mark);
  return { kind, source: 'docker', addresses: [`${LOCALHOST}:${EXPECTED_PORTS[kind].single[0]}`], isNew };
}
