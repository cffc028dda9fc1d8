import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

export const LOCALHOST = '127.0.0.1';
/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux), so that a server which is restarted
 * finds its port free; and low enough for what a Redis Cluster listens on 10000 above it.
 */
const FIRST_PORT = 10_000;
const PORTS = 10_000;
const BUS_OFFSET = 10_000;
const ATTEMPTS_MAX = 1_000;

/** Different ports on which nobody listens now, nor on those 10000 above. */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt === ATTEMPTS_MAX) throw new Error(`no ${count} free ports in ${ATTEMPTS_MAX} attempts`);
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) ports.add(port);
  }
  return [...ports];
}

/** Whether one could listen there now. */
export async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, port);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    server.close();
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen({ port, host: LOCALHOST, exclusive: true });
  await once(server, 'listening');
}
