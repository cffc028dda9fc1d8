import { extname } from 'node:path';
import { createNdjsonWriter } from './ndjson-writer.ts';
import { createParquetWriter } from './parquet-writer.ts';
import { createPartialFile } from './partial-file.ts';
import type { ColumnValues, TableColumn } from './table-columns.ts';
import { TableFileError } from './table-file-error.ts';

/** Nothing is at the path until `close` has put all of it there; disposing of a writer that is not closed leaves nothing. */
export interface TableWriter extends AsyncDisposable {
  /** Rows, as one array a column, all of one length, in the order of the columns; free to be reused when it resolves. */
  append(columns: readonly ColumnValues[]): Promise<void>;
  close(): Promise<void>;
}

const WRITERS = { '.parquet': createParquetWriter, '.ndjson': createNdjsonWriter } as const;

/**
 * A table to be written to `path`, Parquet or NDJSON by its ending.
 * @throws TableFileError if the ending is another, or a file is there already and `overwrite` is not asked for
 */
export async function createTableWriter(
  path: string,
  columns: readonly TableColumn[],
  options: { readonly overwrite?: boolean } = {},
): Promise<TableWriter> {
  const ending = extname(path);
  if (!Object.hasOwn(WRITERS, ending)) {
    throw new TableFileError(
      path,
      `cannot be written, only files ending in ${Object.keys(WRITERS).join(', ')}`,
    );
  }
  const file = await createPartialFile(path, { overwrite: options.overwrite ?? false });
  try {
    return await WRITERS[ending as keyof typeof WRITERS](file, columns);
  } catch (error) {
    await file.discard();
    throw error;
  }
}
