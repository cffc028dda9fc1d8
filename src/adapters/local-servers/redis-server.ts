import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'redis';
import type { Certificates } from './certificates.ts';
import { LOCALHOST } from './free-ports.ts';
import { LocalServer } from './local-server.ts';

const CONFIG_FILE = 'redis.conf';
const ANSWER_WITHIN_MS = 2_000;

/** Where a client finds a Redis, and what it shows there. */
export type RedisConnection = {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
};

/** What a Redis demands of its clients: TLS, and this user's password. */
export type RedisSecurity = {
  readonly user: string;
  readonly password: string;
  readonly certificates: Certificates;
};

export type RedisOptions = {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly program: string;
  readonly security?: RedisSecurity | undefined;
  /** Further lines of its configuration. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
};

/** A Redis that is not started yet, with its folder and configuration. */
export async function prepareRedis(options: RedisOptions): Promise<LocalServer> {
  const { name, folder, port, program, security } = options;
  await mkdir(folder, { recursive: true });
  const configFile = join(folder, CONFIG_FILE);
  await writeFile(configFile, configOf(options));
  const isReady = async () => (await askRedis(await connectionOf(port, security), ['PING'])) === 'PONG';
  return new LocalServer({ name, folder, port, program, words: [configFile], isReady });
}

/** What it answers. @throws also what a client is told instead: that it is loading, or wants a password */
export async function askRedis(
  { host, port, username, password, tls }: RedisConnection,
  words: readonly string[],
): Promise<string> {
  const client = createClient({
    socket: {
      host,
      port,
      connectTimeout: ANSWER_WITHIN_MS,
      reconnectStrategy: false,
      ...(tls && { tls: true, ...tls }),
    },
    commandOptions: { timeout: ANSWER_WITHIN_MS },
    ...(username && { username }),
    ...(password && { password }),
  });
  client.on('error', () => {}); // the same error rejects connect()
  try {
    await client.connect();
    return await client.sendCommand<string>([...words]);
  } finally {
    client.destroy();
  }
}

async function connectionOf(port: number, security: RedisSecurity | undefined): Promise<RedisConnection> {
  if (security === undefined) return { host: LOCALHOST, port };
  const { user: username, password, certificates } = security;
  return {
    host: LOCALHOST,
    port,
    username,
    password,
    tls: { ca: await readFile(certificates.caFile, 'utf8') },
  };
}

function configOf({ folder, port, security, settings = {} }: RedisOptions): string {
  const lines: Record<string, string> = {
    bind: LOCALHOST,
    dir: folder,
    // The command line stays as it was started, which is how a server is known to be ours.
    'set-proc-title': 'no',
    daemonize: 'no',
    save: '""',
    appendonly: 'yes',
    appendfsync: 'everysec',
    'maxmemory-policy': 'noeviction',
    ...(security === undefined ? { port: String(port) } : secureLines(port, security)),
    ...settings,
  };
  const text = Object.entries(lines).map(([name, value]) => `${name} ${value}\n`);
  return text.join('') + (security === undefined ? '' : userLines(security));
}

function secureLines(port: number, { certificates }: RedisSecurity): Record<string, string> {
  return {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': certificates.serverCertificateFile,
    'tls-key-file': certificates.serverKeyFile,
    'tls-ca-cert-file': certificates.caFile,
    'tls-auth-clients': 'no',
  };
}

function userLines({ user, password }: RedisSecurity): string {
  return `user default off\nuser ${user} on >${password} ~* &* +@all\n`;
}
