import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { parseTransaction } from '../../core/transaction/parse-transaction.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import { transactionJson } from '../../core/transaction/transaction.ts';
import { MemberMappingError } from './member-mapping.ts';
import { LABEL_FRAUD, LABEL_LEGITIMATE, LABEL_UNKNOWN, RecordedRowError } from './recorded-batch.ts';
import { openRecordedTransactions, type RecordedTransactionsOptions } from './recorded-transactions.ts';
import { TableFileError } from './table-file-error.ts';
import { createTableWriter } from './table-writer.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'recorded-transactions-'));
});
after(() => rm(directory, { recursive: true }));

const HEADER = 'transaction_id,user_id,amount,merchant_category,is_international,timestamp';

async function writeText(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

function writeCsv(name: string, rows: readonly string[], header = HEADER): Promise<string> {
  return writeText(name, `${[header, ...rows].join('\n')}\n`);
}

async function readAll(options: RecordedTransactionsOptions) {
  await using recorded = await openRecordedTransactions(options);
  const transactions: Transaction[] = [];
  const labels: number[] = [];
  for await (const batch of recorded.batches()) {
    transactions.push(...batch.transactions);
    labels.push(...(batch.labels ?? []));
  }
  return { rowCount: recorded.rowCount, transactions, labels };
}

suite('recorded transactions', () => {
  test('a line of NDJSON gives the very transaction that the same line gives as a request', async () => {
    const messages = [
      { amount: 0, currency: 'EUR', terminal_id: '007' },
      { amount: 12.34565, merchant_category: "Moe's & Co" },
      { amount: 1_000_000_000, is_international: true, timestamp: '2026-01-03T00:00:00.123987+02:30' },
    ].map((members, index) => ({
      transaction_id: `t-${index}-${'x'.repeat(index * 20)}`,
      user_id: '00042',
      merchant_category: 'grocery',
      is_international: false,
      timestamp: `2026-01-02T00:00:0${index}Z`,
      ...members,
    }));
    const path = await writeText(
      'same.ndjson',
      messages.map((message) => JSON.stringify(message)).join('\n'),
    );
    const { transactions } = await readAll({ files: [path] });
    assert.deepEqual(transactions, messages.map(parseTransaction));
  });

  test('many rows come sorted by event time, ties as the files and rows have them', async () => {
    const path = join(directory, 'many.parquet');
    const rowCount = 10_000;
    await using writer = await createTableWriter(path, [
      { name: 'transaction_id', type: 'int64' },
      { name: 'customer', type: 'text' },
      { name: 'amount', type: 'float64' },
      { name: 'at', type: 'timestamp' },
      { name: 'fraud', type: 'boolean' },
    ]);
    const second = (row: number) => Date.UTC(2026, 0, 1) + ((row * 7919) % 100) * 1000;
    const rows = Array.from({ length: rowCount }, (_, row) => row);
    await writer.append([
      rows,
      rows.map((row) => `customer-number-${row}`),
      rows.map((row) => row / 100),
      rows.map(second),
      rows.map((row) => (row % 3 === 0 ? null : row % 3 === 1)),
    ]);
    await writer.close();
    const tie = await writeCsv('tie.csv', ['last-of-its-second,u,1,grocery,True,2026-01-01 00:00:00']);
    const { transactions: tied } = await readAll({ files: [tie] });
    assert.equal(tied[0].isInternational, true);

    const {
      rowCount: total,
      transactions,
      labels,
    } = await readAll({
      files: [path],
      columns: { user_id: 'customer', timestamp: 'at' },
      defaults: { merchant_category: 'unknown', is_international: 'false', currency: 'EUR' },
      labelColumn: 'fraud',
    });
    assert.equal(total, rowCount);
    const expected = rows.toSorted((one, other) => second(one) - second(other) || one - other);
    assert.deepEqual(
      transactions.map(transactionJson),
      expected.map((row) =>
        transactionJson(
          parseTransaction({
            transaction_id: String(row),
            user_id: `customer-number-${row}`,
            amount: row / 100,
            merchant_category: 'unknown',
            is_international: false,
            timestamp: new Date(second(row)).toISOString(),
            currency: 'EUR',
          }),
        ),
      ),
    );
    const labelOf = [LABEL_UNKNOWN, LABEL_FRAUD, LABEL_LEGITIMATE];
    assert.deepEqual(
      labels,
      expected.map((row) => labelOf[row % 3]),
    );
  });

  test('several files are one stream; of equal times the earlier file comes first', async () => {
    const row = (id: string, second: string) => `${id},u,1,grocery,0,2026-01-01T00:00:${second}Z`;
    const one = await writeCsv('one [*].csv', [row('one-b', '02'), row('one-a', '01')]);
    const two = await writeCsv('two.csv', [row('two-z', '02'), row('two-a', '02'), row('two-c', '00')]);
    const ids = async (files: string[]) =>
      (await readAll({ files })).transactions.map(({ transactionId }) => transactionId);
    assert.deepEqual(await ids([one, two]), ['two-c', 'one-a', 'one-b', 'two-z', 'two-a']);
    assert.deepEqual(await ids([two, one]), ['two-c', 'one-a', 'two-z', 'two-a', 'one-b']);
  });

  test('a default stands in where a row has nothing', async () => {
    const path = await writeCsv('gaps.csv', [
      'a,u,1,,,2026-01-01T00:00:00Z',
      'b,u,1,travel,1,2026-01-01T00:00:01Z',
    ]);
    const defaults = { merchant_category: "Moe's", is_international: 'false' };
    const { transactions } = await readAll({ files: [path], defaults });
    assert.deepEqual(
      transactions.map(({ merchantCategory, isInternational }) => [merchantCategory, isInternational]),
      [
        ["Moe's", false],
        ['travel', true],
      ],
    );
  });

  test('a stream may be left half way, and asked for again', async () => {
    const rows = Array.from({ length: 9000 }, (_, row) => `t${row},u,1,grocery,0,2026-01-01T00:00:00Z`);
    await using recorded = await openRecordedTransactions({ files: [await writeCsv('left.csv', rows)] });
    for await (const _ of recorded.batches()) break;
    let count = 0;
    for await (const { transactions } of recorded.batches()) count += transactions.length;
    assert.equal(count, 9000);
  });
});

suite('a row that breaks a rule is refused by file, row, member and rule, without its value', () => {
  const broken: [member: string, row: string][] = [
    ['transaction_id', 'se cret,u,1,grocery,0,2026-01-01T00:00:00Z'],
    ['transaction_id', ',u,1,grocery,0,2026-01-01T00:00:00Z'],
    ['user_id', `t,${'secret'.repeat(22)},1,grocery,0,2026-01-01T00:00:00Z`],
    ['amount', 't,u,secret,grocery,0,2026-01-01T00:00:00Z'],
    ['amount', 't,u,-0.01,grocery,0,2026-01-01T00:00:00Z'],
    ['amount', 't,u,1000000000.01,grocery,0,2026-01-01T00:00:00Z'],
    ['amount', 't,u,inf,grocery,0,2026-01-01T00:00:00Z'],
    ['amount', 't,u,,grocery,0,2026-01-01T00:00:00Z'],
    ['merchant_category', 't,u,1,sécret,0,2026-01-01T00:00:00Z'],
    ['is_international', 't,u,1,grocery,secret,2026-01-01T00:00:00Z'],
    ['is_international', 't,u,1,grocery,,2026-01-01T00:00:00Z'],
    ['timestamp', 't,u,1,grocery,0,secret'],
    ['timestamp', 't,u,1,grocery,0,2026-01-01'],
    ['timestamp', 't,u,1,grocery,0,2026-01-01T24:00:00Z'],
    ['timestamp', 't,u,1,grocery,0,2026-02-30T00:00:00Z'],
    ['timestamp', 't,u,1,grocery,0,1999-12-31T23:59:59Z'],
    ['timestamp', 't,u,1,grocery,0,2100-01-01T00:00:00Z'],
  ];
  for (const [index, [member, row]] of broken.entries()) {
    test(`${member} in ${row.slice(0, 60)}`, async () => {
      const good = 'good,u,1,grocery,0,2026-01-01T00:00:00Z';
      const path = await writeCsv(`broken-${index}.csv`, [good, row]);
      await assert.rejects(readAll({ files: [path] }), (error) => {
        assert(error instanceof RecordedRowError);
        assert.deepEqual([error.path, error.row, error.member], [path, 2, member]);
        assert.match(error.message, /row 2: \w+ must be/);
        assert.doesNotMatch(error.message, /s[eé]\s?cret/);
        return true;
      });
    });
  }

  test('a label that is neither true nor false', async () => {
    const path = await writeCsv(
      'label.csv',
      ['t,u,1,grocery,0,2026-01-01T00:00:00Z,maybe'],
      `${HEADER},fraud`,
    );
    await assert.rejects(readAll({ files: [path], labelColumn: 'fraud' }), {
      message: `${path}: row 1: the label must be true, false, 1, 0 or nothing`,
    });
  });
});

suite('files and mappings of no use are refused by name', () => {
  const good = ['t,u,1,grocery,0,2026-01-01T00:00:00Z'];
  const refusals: [what: string, make: () => Promise<RecordedTransactionsOptions>, message: RegExp][] = [
    [
      'no such file',
      async () => ({ files: [join(directory, 'nowhere.csv')] }),
      /nowhere\.csv: is not there$/,
    ],
    ['a directory', async () => ({ files: [await makeDirectoryCsv()] }), /folder\.csv: is not a file$/],
    ['an empty file', async () => ({ files: [await writeText('empty.csv', '')] }), /empty\.csv: is empty$/],
    [
      'a header alone',
      async () => ({ files: [await writeCsv('header.csv', [])] }),
      /header\.csv: has no rows$/,
    ],
    [
      'an unknown ending',
      async () => ({ files: [await writeText('rows.xlsx', 'x')] }),
      /rows\.xlsx: has none of the known endings \.parquet, \.csv, \.ndjson, \.jsonl$/,
    ],
    [
      'no Parquet inside',
      async () => ({ files: [await writeText('corrupt.parquet', 'PAR1, or so it says')] }),
      /corrupt\.parquet: cannot be read: /,
    ],
    [
      'a line of NDJSON cut short',
      async () => ({
        files: [await writeText('cut.ndjson', '{"transaction_id":"t"}\n{"transaction_id":"se')],
      }),
      /cut\.ndjson: cannot be read: (?!.*"se)/,
    ],
    [
      'a missing column',
      async () => ({ files: [await writeCsv('missing.csv', ['1,2'], 'transaction_id,card')] }),
      /missing\.csv: has no column "user_id"; .* It has transaction_id, card$/,
    ],
    [
      'a mapped column that is not there',
      async () => ({ files: [await writeCsv('mapped.csv', good)], columns: { user_id: 'card' } }),
      /mapped\.csv: has no column "card"\. It has transaction_id, user_id, /,
    ],
    [
      'a label column that is not there',
      async () => ({ files: [await writeCsv('labels.csv', good)], labelColumn: 'fraud' }),
      /labels\.csv: has no column "fraud"\. It has /,
    ],
    [
      'a column of another type',
      async () => ({
        files: [await writeWrongType()],
        defaults: { merchant_category: 'x', is_international: 'false' },
      }),
      /wrong-type\.parquet: column "timestamp" is of type BIGINT, but timestamps/,
    ],
    ['no file at all', async () => ({ files: [] }), /at least one file/],
  ];
  for (const [what, make, message] of refusals) {
    test(what, async () => {
      const options = await make();
      await assert.rejects(openRecordedTransactions(options), { message });
    });
  }

  const mappings: [Partial<RecordedTransactionsOptions>, RegExp][] = [
    [{ columns: { card: 'card' } }, /^"card" is not a member that files carry: transaction_id, /],
    [{ defaults: { amount: '1' } }, /^"amount" can have no default, only currency, /],
    [{ defaults: { currency: 'euro' } }, /^the default of currency must be three capital letters/],
    [{ defaults: { is_international: 'no' } }, /^the default of is_international must be true or false/],
  ];
  for (const [mapping, message] of mappings) {
    test(`the mapping ${JSON.stringify(mapping)}`, async () => {
      const files = [await writeCsv('mapping.csv', good)];
      await assert.rejects(openRecordedTransactions({ files, ...mapping }), (error) => {
        assert(error instanceof MemberMappingError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  async function makeDirectoryCsv(): Promise<string> {
    const path = join(directory, 'folder.csv');
    await mkdir(path);
    return path;
  }

  async function writeWrongType(): Promise<string> {
    const path = join(directory, 'wrong-type.parquet');
    const names = ['transaction_id', 'user_id', 'amount', 'timestamp'];
    await using writer = await createTableWriter(
      path,
      names.map((name) => ({ name, type: 'int64' as const })),
    );
    await writer.append(names.map(() => [1]));
    await writer.close();
    return path;
  }

  test('its error is one of its class', async () => {
    const nowhere = openRecordedTransactions({ files: [join(directory, 'nowhere.csv')] });
    await assert.rejects(nowhere, TableFileError);
  });
});
