import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { readTable } from './read-table.ts';
import type { TableColumn } from './table-columns.ts';
import { TableFileError } from './table-file-error.ts';
import { createTableWriter } from './table-writer.ts';

const COLUMNS: readonly TableColumn[] = [
  { name: 'text', type: 'text' },
  { name: 'single', type: 'float32' },
  { name: 'double', type: 'float64' },
  { name: 'whole', type: 'int64' },
  { name: 'flag', type: 'boolean' },
  { name: 'moment', type: 'timestamp' },
];
const MOMENT_MS = Date.UTC(2026, 0, 1, 12, 30, 15, 250);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'table-writer-'));
});
afterEach(() => rm(directory, { recursive: true }));

const pathOf = (name: string) => join(directory, name);

suite('Parquet', () => {
  test('gives back every value, null where there was none', async () => {
    await using writer = await createTableWriter(pathOf('all.parquet'), COLUMNS);
    await writer.append([
      ['quote \' " é', null],
      [1 / 3, Number.NaN],
      [0.1, Number.NaN],
      [Number.MAX_SAFE_INTEGER, Number.NaN],
      [true, null],
      [MOMENT_MS, Number.NaN],
    ]);
    await writer.close();
    assert.deepEqual(
      {
        ...(await readTable(
          pathOf('all.parquet'),
          COLUMNS.map(({ name }) => name),
        )),
      },
      {
        text: ['quote \' " é', null],
        single: [Math.fround(1 / 3), null],
        double: [0.1, null],
        whole: [Number.MAX_SAFE_INTEGER, null],
        flag: [true, null],
        moment: [MOMENT_MS, null],
      },
    );
  });

  test('keeps float32 bit for bit, over many chunks and in order', async () => {
    const bits = Uint32Array.from({ length: 70_000 }, (_, row) => Math.imul(row, 2_654_435_761));
    bits.set([0x80000000, 0x00000001, 0x7f800000, 0xff800000]); // -0, the smallest, both infinities
    const values = new Float32Array(bits.buffer);
    await using writer = await createTableWriter(pathOf('bits.parquet'), [
      { name: 'value', type: 'float32' },
    ]);
    await writer.append([values.subarray(0, 30_001)]);
    await writer.append([values.subarray(30_001)]);
    await writer.close();
    const { value } = await readTable(pathOf('bits.parquet'), ['value']);
    assert.equal(value.length, values.length);
    for (const [row, found] of value.entries()) {
      assert(Object.is(found, Number.isNaN(values[row]) ? null : values[row]), `row ${row}: ${found}`);
    }
  });

  test('a table without rows is a file without rows', async () => {
    await using writer = await createTableWriter(pathOf('none.parquet'), COLUMNS);
    await writer.close();
    assert.deepEqual((await readTable(pathOf('none.parquet'), ['text'])).text, []);
  });
});

test('NDJSON has a line a row and leaves out what has no value', async () => {
  await using writer = await createTableWriter(pathOf('all.ndjson'), COLUMNS);
  await writer.append([
    ['a"b', null],
    [0.5, Number.NaN],
    [0.1, Number.NaN],
    [7, Number.NaN],
    [false, null],
    [MOMENT_MS, Number.NaN],
  ]);
  await writer.append([['c'], [1], [2], [3], [true], [MOMENT_MS + 1]]);
  await writer.close();
  assert.equal(
    await readFile(pathOf('all.ndjson'), 'utf8'),
    '{"text":"a\\"b","single":0.5,"double":0.1,"whole":7,"flag":false,"moment":"2026-01-01T12:30:15.250Z"}\n' +
      '{}\n' +
      '{"text":"c","single":1,"double":2,"whole":3,"flag":true,"moment":"2026-01-01T12:30:15.251Z"}\n',
  );
});

for (const ending of ['parquet', 'ndjson']) {
  suite(`a file of ${ending}`, () => {
    const columns = [{ name: 'whole', type: 'int64' as const }];

    test('has its name only when it is whole, and leaves nothing when it never is', async () => {
      const path = pathOf(`half.${ending}`);
      {
        await using writer = await createTableWriter(path, columns);
        await writer.append([[1]]);
        assert.equal((await readdir(directory)).includes(`half.${ending}`), false);
      }
      assert.deepEqual(await readdir(directory), []);
      await using writer = await createTableWriter(path, columns);
      await writer.append([[1]]);
      await writer.close();
      assert.deepEqual(await readdir(directory), [`half.${ending}`]);
    });

    test('replaces another only when asked', async () => {
      const path = pathOf(`taken.${ending}`);
      await writeFile(path, 'precious');
      await assert.rejects(createTableWriter(path, columns), {
        code: 'table-file',
        message: /is there already/,
      });
      assert.equal(await readFile(path, 'utf8'), 'precious');
      await using writer = await createTableWriter(path, columns, { overwrite: true });
      await writer.append([[1]]);
      assert.equal(await readFile(path, 'utf8'), 'precious');
      await writer.close();
      assert.equal((await readTable(path, ['whole'])).whole.length, 1);
    });

    test('refuses whole numbers beyond what a number can say', async () => {
      await using writer = await createTableWriter(pathOf(`big.${ending}`), columns);
      await assert.rejects(writer.append([[2 ** 53]]), { message: /column "whole" takes whole numbers/ });
      await assert.rejects(writer.append([[0.5]]), { message: /column "whole" takes whole numbers/ });
    });

    test('refuses arrays that are not a table', async () => {
      const two = [...columns, { name: 'text', type: 'text' as const }];
      await using writer = await createTableWriter(pathOf(`odd.${ending}`), two);
      await assert.rejects(writer.append([[1]]), { message: '1 columns were given to a table of 2' });
      await assert.rejects(writer.append([[1], []]), { message: 'column "text" has 0 rows, the first 1' });
    });
  });
}

test('an ending that nobody writes is refused', async () => {
  await assert.rejects(createTableWriter(pathOf('rows.csv'), COLUMNS), TableFileError);
});
