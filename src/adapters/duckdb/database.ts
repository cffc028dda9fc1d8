import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';

export type DuckDB = typeof import('@duckdb/node-api');

/** A DuckDB of our own with nothing in it; disposing of it removes what it spilled to disk. */
export interface Database extends AsyncDisposable {
  readonly duckdb: DuckDB;
  readonly connection: DuckDBConnection;
}

/** What sorting and staging may hold before they spill; an order of magnitude above what 1.5 million rows take. */
const MEMORY_LIMIT = '768MB';
/** More threads need more memory each, and the process beside them needs a core too. */
const THREADS_MAX = 4;

/** The library is loaded here and nowhere else, so that a process that only serves never holds it. */
export async function openDatabase(): Promise<Database> {
  const duckdb = await import('@duckdb/node-api');
  const spillDirectory = await mkdtemp(join(tmpdir(), 'fraud-detection-spill-'));
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    memory_limit: MEMORY_LIMIT,
    threads: String(Math.min(availableParallelism(), THREADS_MAX)),
    temp_directory: spillDirectory,
    // A file must never make this process download code.
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await instance.connect();
  await connection.run(`SET TimeZone = 'UTC'`);
  return {
    duckdb,
    connection,
    async [Symbol.asyncDispose]() {
      connection.closeSync();
      instance.closeSync();
      await rm(spillDirectory, { recursive: true, force: true });
    },
  };
}
