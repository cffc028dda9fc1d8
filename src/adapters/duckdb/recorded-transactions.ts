/**
 * Recorded transactions out of files (Parquet, CSV, NDJSON), as one stream in the order in which they happened.
 *
 *   files ──describe──▶ SQL per file ──union, sort (DuckDB's threads)──▶ chunks of columns ──▶ checked Transactions
 *
 * Ties of event time go by the order of the files and then of the rows, so that the same files give the same stream.
 */
import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { type Database, openDatabase } from './database.ts';
import { assertMapping, columnsInUse, type MemberMapping, memberExpressions } from './member-mapping.ts';
import { batchColumns, type RecordedBatch, toRecordedBatch } from './recorded-batch.ts';
import { quoteName } from './sql.ts';
import { TableFileError, unreadable } from './table-file-error.ts';
import { countRows, openTableSource, type TableSource } from './table-source.ts';

export type RecordedTransactionsOptions = {
  /** At least one; of equal event times the earlier file's come first. */
  readonly files: readonly string[];
  readonly columns?: MemberMapping['columns'] | undefined;
  readonly defaults?: MemberMapping['defaults'] | undefined;
  readonly labelColumn?: string | undefined;
  readonly storyColumn?: string | undefined;
};

export interface RecordedTransactions extends AsyncDisposable {
  readonly rowCount: number;
  /**
   * The whole stream, a couple of thousand transactions at a time; may be asked for again, but not twice at once.
   * @throws RecordedRowError at the first row that breaks a rule; rows without a readable time come first
   */
  batches(): AsyncGenerator<RecordedBatch, void, void>;
}

/**
 * Opens the files and finds their columns.
 * @throws MemberMappingError if the mapping could fit no file
 * @throws TableFileError if a file is not readable, has no rows or lacks a column
 */
export async function openRecordedTransactions(
  options: RecordedTransactionsOptions,
): Promise<RecordedTransactions> {
  const { files, columns = {}, defaults = {}, labelColumn, storyColumn } = options;
  if (files.length === 0) throw new TypeError('at least one file of recorded transactions is needed');
  const mapping = { columns, defaults, labelColumn, storyColumn };
  assertMapping(mapping);
  const database = await openDatabase();
  try {
    return await openFiles(database, files, mapping);
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

async function openFiles(
  database: Database,
  files: readonly string[],
  mapping: MemberMapping,
): Promise<RecordedTransactions> {
  const selects: string[] = [];
  let rowCount = 0;
  for (const [index, path] of files.entries()) {
    const source = await openTableSource(database.connection, path);
    selects.push(selectFile(source, mapping, index));
    const rows = await countRows(database.connection, source);
    if (rows === 0) throw new TableFileError(path, 'has no rows');
    rowCount += rows;
  }
  const sql =
    `SELECT * FROM (${selects.join(' UNION ALL ')})` +
    ' ORDER BY isnan(timestamp) DESC, timestamp, file_index, row_number';
  return {
    rowCount,
    batches: () => streamBatches(database, sql, files),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** Row numbers are given before anything else, while rows still come as the file has them. */
function selectFile(source: TableSource, mapping: MemberMapping, fileIndex: number): string {
  const expressions = memberExpressions(source, mapping);
  const columns = batchColumns(mapping).map((name) => `${expressions.get(name) ?? "''"} AS ${name}`);
  const columnsRead = columnsInUse(source, mapping);
  const numbered =
    `SELECT ${columnsRead.map(quoteName).join(', ')}, row_number() OVER () AS "row number"` +
    ` FROM ${source.relation(columnsRead)}`;
  const position = `${fileIndex} AS file_index, "row number"::DOUBLE AS row_number`;
  return `SELECT ${columns.join(', ')}, ${position} FROM (${numbered})`;
}

async function* streamBatches(
  database: Database,
  sql: string,
  files: readonly string[],
): AsyncGenerator<RecordedBatch, void, void> {
  const result = await startQuery(database, sql, files);
  let next = fetchChunk(result);
  try {
    for (;;) {
      const fetched = await next;
      if ('error' in fetched) throw unreadable(files.join(', '), fetched.error);
      if (fetched.chunk === null || fetched.chunk.rowCount === 0) return;
      next = fetchChunk(result); // the following chunk is made while this one is worked on
      yield toRecordedBatch(fetched.chunk, result.columnNames(), files);
    }
  } finally {
    await next; // never close a database under a running query
  }
}

async function startQuery(database: Database, sql: string, files: readonly string[]): Promise<DuckDBResult> {
  try {
    return await database.connection.stream(sql);
  } catch (error) {
    throw unreadable(files.join(', '), error);
  }
}

type Fetched = { readonly chunk: DuckDBDataChunk | null } | { readonly error: unknown };

/** Never rejects: it runs ahead of the one who waits for it. */
function fetchChunk(result: DuckDBResult): Promise<Fetched> {
  return result.fetchChunk().then(
    (chunk) => ({ chunk }),
    (error: unknown) => ({ error }),
  );
}
