/** Where the programs come from that local servers are made of: the path, else the system's packages. */
import { access, constants } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { withLock } from './installation-lock.ts';
import { MissingProgramError, ProgramFailedError } from './local-server-errors.ts';
import { runProgram } from './run-program.ts';

/** Debian's package of each; other systems call them much the same. */
const PACKAGES = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  openssl: 'openssl',
  java: 'default-jdk-headless',
  mvn: 'maven',
} as const;

export type ProgramName = keyof typeof PACKAGES;

/** Told of what takes longer than a person waits without asking. */
export type OnProgress = (text: string) => void;

/**
 * The paths of programs, in the order asked for; those that are missing are installed where we may.
 * @throws MissingProgramError naming what to install
 */
export async function findPrograms(
  names: readonly ProgramName[],
  onProgress: OnProgress,
): Promise<readonly string[]> {
  const missing = await missingOf(names);
  if (missing.length > 0) await installAll(missing, onProgress);
  return Promise.all(names.map(async (name) => (await findOnPath(name)) ?? fail([name], 'cannot be found')));
}

/** Installed by one process at a time: test files run side by side, and so do people and tests. */
async function installAll(names: readonly ProgramName[], onProgress: OnProgress): Promise<void> {
  if (process.getuid?.() !== 0) fail(names, 'cannot be found on the path, and installing needs root');
  if ((await findOnPath('apt-get')) === undefined)
    fail(names, 'cannot be found on the path, and there is no apt-get');
  await withLock(join(tmpdir(), 'fraud-detection-install.lock'), async () => {
    const missing = await missingOf(names);
    if (missing.length === 0) return;
    const packages = missing.map((name) => PACKAGES[name]);
    onProgress(`installing ${packages.join(', ')}`);
    await aptInstall(packages).catch((error: unknown) => {
      if (error instanceof ProgramFailedError) fail(missing, `could not be installed (${error.message})`);
      throw error;
    });
    if (missing.includes('redis-server')) await endSystemRedis();
  });
}

async function aptInstall(packages: readonly string[]): Promise<void> {
  const environment = { DEBIAN_FRONTEND: 'noninteractive' };
  await runProgram('apt-get', ['update', '-qq'], { environment });
  const words = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  await runProgram('apt-get', words, { environment });
}

/** The package starts a Redis of the system's, which nobody asked for. There is none where no init system runs. */
async function endSystemRedis(): Promise<void> {
  await runProgram('service', ['redis-server', 'stop']).catch(ignoreFailure);
  await runProgram('update-rc.d', ['redis-server', 'disable']).catch(ignoreFailure);
}

function ignoreFailure(error: unknown): void {
  if (!(error instanceof ProgramFailedError)) throw error;
}

async function missingOf(names: readonly ProgramName[]): Promise<readonly ProgramName[]> {
  const found = await Promise.all(names.map(findOnPath));
  return names.filter((_, index) => found[index] === undefined);
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && (await isExecutable(path))) return path;
  }
  return undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function fail(names: readonly ProgramName[], why: string): never {
  const packages = [...new Set(names.map((name) => PACKAGES[name]))].join(' ');
  throw new MissingProgramError(
    `${names.join(', ')} ${why}; install it, on Debian: apt-get install ${packages}`,
  );
}
