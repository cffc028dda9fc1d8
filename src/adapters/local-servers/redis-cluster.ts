/** A Redis Cluster of six nodes on this machine: three masters, each with a replica that takes over in about two seconds. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOCALHOST } from './free-ports.ts';
import type { LocalServer } from './local-server.ts';
import { ServerNotStartedError } from './local-server-errors.ts';
import { askRedis, prepareRedis } from './redis-server.ts';
import { runProgram } from './run-program.ts';
import { ServerGroup } from './server-group.ts';

export const CLUSTER_NODES = 6;
const SLOTS = 16_384;
const NODE_TIMEOUT_MS = 1_000;
const JOIN_WITHIN_MS = 60_000;
const POLL_MS = 50;

export type RedisClusterOptions = {
  /** Each node's folder is in it. */
  readonly folder: string;
  /** A node each; it listens 10000 above it, too. */
  readonly ports: readonly number[];
  readonly programs: { readonly server: string; readonly cli: string };
  /** Further lines of every node's configuration. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
};

/** A cluster that is not started yet, with its nodes' folders and configurations. */
export async function prepareRedisCluster(options: RedisClusterOptions): Promise<ServerGroup> {
  const { ports } = options;
  const nodes = await Promise.all(ports.map((_, index) => prepareNode(options, index)));
  return new ServerGroup(nodes, () => joinNodes(ports, options.programs.cli));
}

function prepareNode({ folder, ports, programs, settings }: RedisClusterOptions, index: number) {
  const name = `redis-${index + 1}`;
  const cluster = {
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-node-timeout': String(NODE_TIMEOUT_MS),
    ...settings,
  };
  const place = { name, folder: join(folder, name), port: ports[index] };
  return prepareRedis({ ...place, program: programs.server, settings: cluster });
}

/** The nodes that are masters now, by their own word. */
export async function findMasters(nodes: readonly LocalServer[]): Promise<readonly LocalServer[]> {
  const roles = await Promise.all(nodes.map(({ recipe }) => roleOf(recipe.port).catch(() => 'gone')));
  return nodes.filter((_, index) => roles[index] === 'master');
}

/** Nodes that were one cluster before find each other by themselves. */
async function joinNodes(ports: readonly number[], cli: string): Promise<void> {
  if ((await clusterInfo(ports[0])).cluster_known_nodes === '1') {
    const addresses = ports.map((port) => `${LOCALHOST}:${port}`);
    await runProgram(cli, ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
  }
  const untilMs = performance.now() + JOIN_WITHIN_MS;
  while (!(await areJoined(ports))) {
    if (performance.now() > untilMs)
      throw new ServerNotStartedError(
        `the nodes of the Redis Cluster did not join within ${JOIN_WITHIN_MS} ms`,
      );
    await delay(POLL_MS);
  }
}

/** All slots are served, and every replica follows its master: from then on any master may be lost. */
async function areJoined(ports: readonly number[]): Promise<boolean> {
  const joined = await Promise.all(ports.map(async (port) => (await isJoined(port)) && isReplicated(port)));
  return joined.every(Boolean);
}

async function isJoined(port: number): Promise<boolean> {
  const { cluster_state: state, cluster_slots_ok: slots } = await clusterInfo(port);
  return state === 'ok' && Number(slots) === SLOTS;
}

async function isReplicated(port: number): Promise<boolean> {
  const info = await replicationInfo(port);
  return info.role === 'slave' ? info.master_link_status === 'up' : Number(info.connected_slaves) > 0;
}

async function roleOf(port: number): Promise<string> {
  return (await replicationInfo(port)).role;
}

async function replicationInfo(port: number): Promise<Readonly<Record<string, string>>> {
  return fieldsOf(await askNode(port, ['INFO', 'replication']));
}

async function clusterInfo(port: number): Promise<Readonly<Record<string, string>>> {
  return fieldsOf(await askNode(port, ['CLUSTER', 'INFO']));
}

function askNode(port: number, words: readonly string[]): Promise<string> {
  return askRedis({ host: LOCALHOST, port }, words);
}

/** Lines `name:value`, as Redis tells about itself. */
function fieldsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value]));
}
