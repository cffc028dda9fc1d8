/** What a server's folder says of its process, so that one that did not start it can find it. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const RECORD_FILE = 'server.json';

export type ServerRecord = {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** RFC 3339. */
  readonly startedAt: string;
};

/** Through a second file, so that no reader ever sees half of it. */
export async function writeRecord(folder: string, record: ServerRecord): Promise<void> {
  const path = join(folder, RECORD_FILE);
  await writeFile(`${path}.tmp`, `${JSON.stringify(record)}\n`);
  await rename(`${path}.tmp`, path);
}

/** Undefined where no server was ever started. */
export async function readRecord(folder: string): Promise<ServerRecord | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, RECORD_FILE), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
