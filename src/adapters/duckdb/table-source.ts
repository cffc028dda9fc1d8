/**
 * Files of rows as relations of DuckDB's SQL. Parquet brings its own types. In CSV and NDJSON every column is read as
 * text, because guessing would turn the id "007" into 7; the reader of a column converts it.
 */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteName, quotePath } from './sql.ts';
import { TableFileError, unreadable } from './table-file-error.ts';

export type TableSource = {
  readonly path: string;
  /** DuckDB's name of the type of each column, in the file's order; VARCHAR throughout for text formats. */
  readonly columnTypes: ReadonlyMap<string, string>;
  /** The relation to select from; it has at least the columns asked for. */
  relation(columns: readonly string[]): string;
};

type Format = {
  /** The relation that DESCRIBE learns the columns from. */
  readonly sample: (path: string) => string;
  readonly relation: (path: string, columns: readonly string[]) => string;
  readonly isTyped: boolean;
};

const PARQUET: Format = { sample: parquet, relation: parquet, isTyped: true };
const CSV: Format = { sample: csv, relation: csv, isTyped: false };
const NDJSON: Format = { sample: ndjsonSample, relation: ndjson, isTyped: false };

const FORMATS: Readonly<Record<string, Format>> = {
  '.parquet': PARQUET,
  '.csv': CSV,
  '.ndjson': NDJSON,
  '.jsonl': NDJSON,
};

/** @throws TableFileError if the file is missing, empty, corrupt or of an unknown kind. */
export async function openTableSource(connection: DuckDBConnection, path: string): Promise<TableSource> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new TableFileError(path, `has none of the known endings ${Object.keys(FORMATS).join(', ')}`);
  }
  await assertFileWithContent(path);
  const columnTypes = await describe(connection, path, format);
  return { path, columnTypes, relation: (columns) => format.relation(path, columns) };
}

/** How many rows the file has; Parquet knows it, the others are read through once. */
export async function countRows(connection: DuckDBConnection, source: TableSource): Promise<number> {
  try {
    const reader = await connection.runAndReadAll(`SELECT count(*)::DOUBLE FROM ${source.relation([])}`);
    return reader.value(0, 0) as number;
  } catch (error) {
    throw unreadable(source.path, error);
  }
}

async function assertFileWithContent(path: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new TableFileError(
      path,
      error.code === 'ENOENT' ? 'is not there' : `cannot be read: ${error.code}`,
    );
  });
  if (!found.isFile()) throw new TableFileError(path, 'is not a file');
  if (found.size === 0) throw new TableFileError(path, 'is empty');
}

async function describe(
  connection: DuckDBConnection,
  path: string,
  format: Format,
): Promise<ReadonlyMap<string, string>> {
  try {
    const reader = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${format.sample(path)}`);
    const rows = reader.getRows() as [name: string, type: string][];
    return new Map(rows.map(([name, type]) => [name, format.isTyped ? type : 'VARCHAR']));
  } catch (error) {
    throw unreadable(path, error);
  }
}

function parquet(path: string): string {
  return `read_parquet(${quotePath(path)})`;
}

/** The dialect is fixed, not sniffed: a file in another one is refused for its columns rather than misread. */
function csv(path: string): string {
  return `read_csv(${quotePath(path)}, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', skip = 0)`;
}

function ndjsonSample(path: string): string {
  return `read_json(${quotePath(path)}, format = 'newline_delimited', records = true, maximum_depth = 1)`;
}

/** Columns are named rather than sampled, so that one whose first value comes late in the file is not lost. */
function ndjson(path: string, columns: readonly string[]): string {
  if (columns.length === 0) return `read_json_objects(${quotePath(path)}, format = 'newline_delimited')`;
  const struct = columns.map((name) => `${quoteName(name)}: 'VARCHAR'`).join(', ');
  return `read_json(${quotePath(path)}, format = 'newline_delimited', records = true, columns = {${struct}})`;
}
