/** `timestamp` is given in milliseconds since 1970-01-01T00:00:00Z, `int64` as whole numbers of at most 2^53 - 1. */
export type ColumnType = 'text' | 'float32' | 'float64' | 'int64' | 'boolean' | 'timestamp';

export type TableColumn = { readonly name: string; readonly type: ColumnType };

/** No value is null in a column of text or booleans and NaN in one of numbers; it is written as NULL, or left out. */
export type ColumnValues = ArrayLike<string | null> | ArrayLike<number> | ArrayLike<boolean | null>;

/** The number of rows. @throws TypeError if the arrays are not as many as the columns, or not of one length */
export function countBatchRows(columns: readonly TableColumn[], values: readonly ColumnValues[]): number {
  if (values.length !== columns.length) {
    throw new TypeError(`${values.length} columns were given to a table of ${columns.length}`);
  }
  const rowCount = values[0]?.length ?? 0;
  for (const [index, column] of columns.entries()) {
    if (values[index].length !== rowCount) {
      throw new TypeError(`column "${column.name}" has ${values[index].length} rows, the first ${rowCount}`);
    }
  }
  return rowCount;
}

/** Beyond these, a number stands for several integers. NaN is no value and passes. */
export function assertWhole(column: TableColumn, value: number): void {
  if (Number.isSafeInteger(value) || Number.isNaN(value)) return;
  throw new RangeError(`column "${column.name}" takes whole numbers of at most 2^53 - 1, was given ${value}`);
}
