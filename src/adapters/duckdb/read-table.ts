import { openDatabase } from './database.ts';
import { quoteName } from './sql.ts';
import { TableFileError, unreadable } from './table-file-error.ts';
import { openTableSource, type TableSource } from './table-source.ts';

export type TableValue = string | number | boolean | null;

/**
 * Whole columns of a file, in the file's order: for comparing what was computed with what was expected, not for streams.
 * Integers come as numbers, times as milliseconds since 1970-01-01T00:00:00Z, text formats' values as text.
 * @throws TableFileError if the file is not readable or lacks a column
 */
export async function readTable<Name extends string>(
  path: string,
  columns: readonly Name[],
): Promise<Record<Name, TableValue[]>> {
  await using database = await openDatabase();
  const source = await openTableSource(database.connection, path);
  const expressions = columns.map((name) => `${plainValue(source, name)} AS ${quoteName(name)}`);
  try {
    const sql = `SELECT ${expressions.join(', ')} FROM ${source.relation(columns)}`;
    const reader = await database.connection.runAndReadAll(sql);
    const values = reader.getColumns() as TableValue[][]; // has no columns where there are no rows
    return Object.fromEntries(columns.map((name, index) => [name, values[index] ?? []])) as Record<
      Name,
      TableValue[]
    >;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function plainValue(source: TableSource, name: string): string {
  const type = source.columnTypes.get(name);
  if (type === undefined) {
    throw new TableFileError(
      source.path,
      `has no column "${name}". It has ${[...source.columnTypes.keys()].join(', ')}`,
    );
  }
  if (type === 'VARCHAR' || type === 'BOOLEAN') return quoteName(name);
  if (type.startsWith('TIMESTAMP')) return `epoch_ms(${quoteName(name)})::DOUBLE`;
  return `${quoteName(name)}::DOUBLE`;
}
