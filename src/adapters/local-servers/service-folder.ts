/**
 * Where local services keep what they have:
 *
 *     services.lock        held while they are started or ended
 *     redis-single/        a service: its kind and shape
 *       ports.json         kept, as the nodes of a cluster remember each other's
 *       redis/             a server: its data, configuration, log and server.json, which says how to find it
 *     redis.docker         this kind was started in a container
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findFreePorts, isFree } from './free-ports.ts';

export const KINDS = ['redis', 'kafka'] as const;
export type Kind = (typeof KINDS)[number];
/** One server of each kind; or a Redis Cluster of six nodes and three brokers. */
export const SHAPES = ['single', 'fleet'] as const;
export type Shape = (typeof SHAPES)[number];

const LOCK_FILE = 'services.lock';
const PORTS_FILE = 'ports.json';

export function lockOf(folder: string): string {
  return join(folder, LOCK_FILE);
}

export function dockerMarkOf(folder: string, kind: Kind): string {
  return join(folder, `${kind}.docker`);
}

export function serviceFolderOf(folder: string, kind: Kind, shape: Shape): string {
  return join(folder, `${kind}-${shape}`);
}

/** The folders of a service's servers; none where it was never started. */
export async function serverFoldersOf(serviceFolder: string): Promise<readonly string[]> {
  const entries = await readdir(serviceFolder, { withFileTypes: true }).catch(emptyIfMissing<never[]>([]));
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return names.sort().map((name) => join(serviceFolder, name));
}

/** The ports a service had before; else those expected; else, where one of them is taken, any that are free. */
export async function portsOf(
  serviceFolder: string,
  expected: readonly number[],
): Promise<readonly number[]> {
  const path = join(serviceFolder, PORTS_FILE);
  const text = await readFile(path, 'utf8').catch(emptyIfMissing(''));
  if (text !== '') return JSON.parse(text);
  const areFree = (await Promise.all(expected.map(isFree))).every(Boolean);
  const ports = areFree ? expected : await findFreePorts(expected.length);
  await mkdir(serviceFolder, { recursive: true });
  await writeFile(path, JSON.stringify(ports));
  return ports;
}

function emptyIfMissing<Empty>(empty: Empty): (error: NodeJS.ErrnoException) => Empty {
  return (error) => {
    if (error.code === 'ENOENT') return empty;
    throw error;
  };
}
