/** What runs of local services, going by their folder, and its end. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { composeDown, isComposed } from './docker-compose.ts';
import { LOCALHOST } from './free-ports.ts';
import { withLock } from './installation-lock.ts';
import { residentBytesOf } from './process-table.ts';
import { ServerProcess } from './server-process.ts';
import { readRecord } from './server-record.ts';
import {
  dockerMarkOf,
  type Kind,
  lockOf,
  SHAPES,
  type Shape,
  serverFoldersOf,
  serviceFolderOf,
} from './service-folder.ts';

/** A server that was started on this machine, and may have ended since. */
export type ServerStatus = {
  readonly kind: Kind;
  readonly shape: Shape;
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly isRunning: boolean;
  readonly memoryBytes: number;
};

export type ServicesStatus = {
  readonly servers: readonly ServerStatus[];
  /** Kinds that were started in containers, of which Docker knows more. */
  readonly inDocker: readonly Kind[];
};

/** Every server that was ever started with this folder. */
export async function servicesStatus(folder: string, kinds: readonly Kind[]): Promise<ServicesStatus> {
  const whole = resolve(folder);
  const found = kinds.flatMap((kind) => SHAPES.map((shape) => serversOf(whole, kind, shape)));
  const inDocker = kinds.filter((kind) => isComposed(dockerMarkOf(whole, kind)));
  return { servers: (await Promise.all(found)).flat(), inDocker };
}

/** Ends what was started with this folder, and nothing else. Data stays. @returns what ran until now */
export async function takeDown(folder: string, kinds: readonly Kind[]): Promise<ServicesStatus> {
  const whole = resolve(folder);
  if (!existsSync(whole)) return { servers: [], inDocker: [] };
  return withLock(lockOf(whole), async () => {
    const { servers, inDocker } = await servicesStatus(whole, kinds);
    const running = servers.filter(({ isRunning }) => isRunning);
    await Promise.all(running.map((server) => new ServerProcess(server.folder, server.pid).stop()));
    for (const kind of inDocker) await composeDown(kind, dockerMarkOf(whole, kind));
    return { servers: running, inDocker };
  });
}

async function serversOf(folder: string, kind: Kind, shape: Shape): Promise<readonly ServerStatus[]> {
  const folders = await serverFoldersOf(serviceFolderOf(folder, kind, shape));
  const servers = await Promise.all(folders.map((own) => serverOf(own, kind, shape)));
  return servers.filter((server) => server !== undefined);
}

async function serverOf(folder: string, kind: Kind, shape: Shape): Promise<ServerStatus | undefined> {
  const record = await readRecord(folder);
  if (record === undefined) return undefined;
  const { name, pid, port, startedAt } = record;
  const isRunning = await new ServerProcess(folder, pid).isRunning();
  const memoryBytes = isRunning ? await residentBytesOf(pid) : 0;
  const address = `${LOCALHOST}:${port}`;
  return { kind, shape, name, address, folder, pid, startedAt, isRunning, memoryBytes };
}
