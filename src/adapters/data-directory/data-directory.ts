/**
 * The directory that holds everything an embedded service keeps, and the right to be the only one that writes there.
 *
 *     format.json   what layout this is; another one is refused
 *     lock.db       held by an exclusive SQLite transaction for as long as the process lives
 *     owner.json    who holds it, for the message that the next one gets
 *     log/          the event log
 *     views/        what can be made again from the log
 *     spool/        what waits for a log on other servers
 *
 * The lock is a lock of the kernel on the file: it goes away with the process however that ends, and it is seen by
 * every container of the host that mounts the directory. The number in a pid file would be neither: it outlives
 * its process, and means another process in another container. SQLite is used because Node offers no file
 * locks of its own; nothing is ever stored in lock.db.
 */
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { syncDirectory } from '../segment-log/segment-files.ts';
import { DataDirectoryInUseError, DataDirectoryUnusableError } from './data-directory-errors.ts';

const FORMAT = { format: 'fraud-detection data directory', version: 1 } as const;
const FORMAT_FILE = 'format.json';
const OWNER_FILE = 'owner.json';
const LOCK_FILE = 'lock.db';
/** What may lie in a directory that we take as new: a fresh volume's own, local servers, and ours if we died while making it. */
const ENTRIES_OF_NEW = new Set([
  'lost+found',
  'services',
  LOCK_FILE,
  OWNER_FILE,
  `${FORMAT_FILE}.tmp`,
  `${OWNER_FILE}.tmp`,
]);
const SQLITE_BUSY = 5;

/** Where things are in a data directory. */
export type DataDirectoryPaths = {
  readonly path: string;
  readonly logPath: string;
  readonly viewsPath: string;
  readonly spoolPath: string;
};

export type DataDirectory = DataDirectoryPaths &
  AsyncDisposable & {
    /** Adds the port that the owner answers on to what a second process is told. */
    announcePort(port: number): Promise<void>;
  };

type Owner = {
  readonly command: string;
  readonly pid: number;
  readonly host: string;
  readonly since: string;
  readonly port?: number;
};

/**
 * Takes the directory for this process until it is disposed of; makes it if it is missing. `command` is what a person
 * would call this process, like `fraud serve`. Throws DataDirectoryInUseError or DataDirectoryUnusableError.
 */
export async function openDataDirectory(
  path: string,
  { command }: { readonly command: string },
): Promise<DataDirectory> {
  const paths = pathsOf(path);
  await assertUsable(paths.path);
  const lock = await takeLock(paths.path);
  const owner: Owner = { command, pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    await writeWhole(join(paths.path, OWNER_FILE), owner);
    await layOut(paths);
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    ...paths,
    announcePort: (port) => writeWhole(join(paths.path, OWNER_FILE), { ...owner, port }),
    [Symbol.asyncDispose]: async () => {
      if (!lock.isOpen) return;
      await rm(join(paths.path, OWNER_FILE), { force: true });
      lock.close();
    },
  };
}

/**
 * The paths in a data directory that exists, without taking it: for those who only read, beside its owner.
 * Throws DataDirectoryUnusableError if it is none of ours.
 */
export async function locateDataDirectory(path: string): Promise<DataDirectoryPaths> {
  const paths = pathsOf(path);
  if (!(await holdsOurFormat(paths.path))) {
    throw new DataDirectoryUnusableError(paths.path, `holds no ${FORMAT_FILE}: no data was ever kept there`);
  }
  return paths;
}

function pathsOf(path: string): DataDirectoryPaths {
  const absolute = resolve(path);
  return {
    path: absolute,
    logPath: join(absolute, 'log'),
    viewsPath: join(absolute, 'views'),
    spoolPath: join(absolute, 'spool'),
  };
}

async function assertUsable(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    if (!(await stat(path)).isDirectory()) throw new DataDirectoryUnusableError(path, 'is not a directory');
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw toUnusable(path, error);
  }
  if (await holdsOurFormat(path)) return;
  const foreign = (await readdir(path)).find((name) => !ENTRIES_OF_NEW.has(name));
  if (foreign === undefined) return;
  const why = `is no data directory: it holds ${foreign} but no ${FORMAT_FILE}. Name an empty or a new directory`;
  throw new DataDirectoryUnusableError(path, why);
}

/** False if there is no format file; throws if it names another format than ours. */
async function holdsOurFormat(path: string): Promise<boolean> {
  const text = await readIfThere(join(path, FORMAT_FILE));
  if (text === undefined) return false;
  const { format, version } = parseObject(text) as Partial<Record<keyof typeof FORMAT, unknown>>;
  if (format === FORMAT.format && version === FORMAT.version) return true;
  const found = `${JSON.stringify(format)} version ${JSON.stringify(version)}`;
  const ours = `${JSON.stringify(FORMAT.format)} version ${FORMAT.version}`;
  throw new DataDirectoryUnusableError(path, `has the format ${found}; this program keeps ${ours}`);
}

async function takeLock(path: string): Promise<DatabaseSync> {
  const lock = new DatabaseSync(join(path, LOCK_FILE));
  try {
    // No journal on disk, as nothing is written: it would be one more file for a killed process to leave.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (isBusy(error))
      throw new DataDirectoryInUseError(path, describe(await readOwner(path)), { cause: error });
    throw new DataDirectoryUnusableError(path, 'cannot be locked', { cause: error });
  }
}

/** Format first: a directory that we died in while making it is then still known as ours. */
async function layOut({ path, logPath, viewsPath, spoolPath }: DataDirectoryPaths): Promise<void> {
  const isNew = (await readIfThere(join(path, FORMAT_FILE))) === undefined;
  if (isNew) await writeWhole(join(path, FORMAT_FILE), FORMAT);
  await mkdir(logPath, { recursive: true });
  await mkdir(viewsPath, { recursive: true });
  await mkdir(spoolPath, { recursive: true });
  // What becomes durable in log/ is lost all the same if the names that lead there are.
  await syncDirectory(path);
  if (isNew) await syncDirectory(dirname(path));
}

/** The one that is there, perhaps for a moment still the one before. */
async function readOwner(path: string): Promise<Partial<Owner>> {
  return parseObject((await readIfThere(join(path, OWNER_FILE))) ?? '');
}

function describe({ command, pid, host, since, port }: Partial<Owner>): string {
  if (pid === undefined) return 'another process';
  return `\`${command}\` (process ${pid} on ${host}${port === undefined ? '' : `, port ${port}`}, since ${since})`;
}

/** Through a second file, so that no reader ever sees half of it and no crash leaves it so. */
async function writeWhole(path: string, content: object): Promise<void> {
  await writeFile(`${path}.tmp`, `${JSON.stringify(content)}\n`, { flush: true });
  await rename(`${path}.tmp`, path);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** An object without members for a text that is none: such a file was not written by us. */
function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function toUnusable(path: string, error: unknown): unknown {
  if (hasCode(error, 'EEXIST') || hasCode(error, 'ENOTDIR')) {
    return new DataDirectoryUnusableError(path, 'is not a directory', { cause: error });
  }
  if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM') || hasCode(error, 'EROFS')) {
    return new DataDirectoryUnusableError(path, 'cannot be written to by this user', { cause: error });
  }
  // What mkdir says of a folder that it may not make on a read-only file system, too.
  if (hasCode(error, 'ENOENT')) {
    return new DataDirectoryUnusableError(path, 'cannot be made there', { cause: error });
  }
  return error;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
