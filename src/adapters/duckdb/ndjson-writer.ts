import { open } from 'node:fs/promises';
import { formatTimestamp } from '../../core/transaction/timestamp.ts';
import type { PartialFile } from './partial-file.ts';
import {
  assertWhole,
  type ColumnType,
  type ColumnValues,
  countBatchRows,
  type TableColumn,
} from './table-columns.ts';
import type { TableWriter } from './table-writer.ts';

type Value = string | number | boolean | null;

const TO_JSON: Readonly<Record<ColumnType, (value: Value, column: TableColumn) => string>> = {
  text: (value) => JSON.stringify(value),
  float32: String,
  float64: String,
  int64: (value, column) => {
    assertWhole(column, value as number);
    return String(value);
  },
  boolean: (value) => (value ? 'true' : 'false'),
  timestamp: (value) => `"${formatTimestamp(value as number)}"`,
};

/** One JSON object a line; a member without value is left out, as the contract wants it. */
export async function createNdjsonWriter(
  file: PartialFile,
  columns: readonly TableColumn[],
): Promise<TableWriter> {
  const handle = await open(file.partialPath, 'w');
  let isOpen = true;
  const release = async () => {
    isOpen = false;
    await handle.close();
  };
  return {
    async append(values) {
      await handle.appendFile(toLines(columns, values));
    },
    async close() {
      await release();
      await file.commit();
    },
    async [Symbol.asyncDispose]() {
      if (isOpen) await release();
      await file.discard(); // nothing is left to discard after `close`
    },
  };
}

function toLines(columns: readonly TableColumn[], values: readonly ColumnValues[]): string {
  const keys = columns.map(({ name }) => `${JSON.stringify(name)}:`);
  const rowCount = countBatchRows(columns, values);
  let lines = '';
  for (let row = 0; row < rowCount; row++) {
    let line = '';
    for (const [index, column] of columns.entries()) {
      const value = values[index][row];
      if (isAbsent(value)) continue;
      line += `${line === '' ? '' : ','}${keys[index]}${TO_JSON[column.type](value, column)}`;
    }
    lines += `{${line}}\n`;
  }
  return lines;
}

/** JSON has no infinities either. */
function isAbsent(value: Value): value is null {
  return value === null || (typeof value === 'number' && !Number.isFinite(value));
}
