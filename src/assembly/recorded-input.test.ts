import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import {
  LABEL_FRAUD,
  LABEL_LEGITIMATE,
  LABEL_UNKNOWN,
  type RecordedBatch,
} from '../adapters/duckdb/recorded-batch.ts';
import type { RecordedTransactions } from '../adapters/duckdb/recorded-transactions.ts';
import { Arguments, type Command, UsageError } from '../command-line/command.ts';
import { paymentOf } from '../core/features/payment-of.ts';
import type { Transaction } from '../core/transaction/transaction.ts';
import {
  labelDelayMs,
  openRecordedInput,
  PendingLabels,
  RECORDED_HELP,
  RECORDED_OPTIONS,
} from './recorded-input.ts';

const COMMAND: Command = {
  ...{ name: 'read', summary: '', usage: 'FILE...', help: RECORDED_HELP, takesWords: true },
  options: RECORDED_OPTIONS,
  run: async () => {},
};
const parse = (...words: string[]) => Arguments.parse(words, COMMAND);

describe('recorded input', () => {
  const csv =
    'id,when,who,where,how_much,is_it\n' +
    'b,2024-06-12 12:00:05,u1,x,2.5,1\n' +
    'a,2024-06-12 12:00:00,u2,y,1,0\n' +
    'c,2024-06-12 12:00:09,u1,,3,\n';
  const mapping = [
    ...['--column', 'transaction_id=id', '--column', 'timestamp=when', '--column', 'user_id=who'],
    ...['--column', 'terminal_id=where', '--column', 'amount=how_much'],
    ...['--default', 'merchant_category=a=b', '--default', 'is_international=true'],
  ];

  test('is read by the options that say what is what, in event-time order', async (t) => {
    const file = await write(t, csv);
    await using input = await openRecordedInput(parse(file, ...mapping, '--label-column', 'is_it'));
    assert.equal(input.rowCount, 3);
    const { transactions, labels } = await readAll(input);
    assert.deepEqual(
      transactions.map((one) => [one.transactionId, one.userId, one.terminalId, one.amountUnits]),
      [
        ['a', 'u2', 'y', 10_000],
        ['b', 'u1', 'x', 25_000],
        ['c', 'u1', undefined, 30_000],
      ],
    );
    assert.deepEqual(
      transactions.map(({ merchantCategory, isInternational }) => [merchantCategory, isInternational]),
      Array.from({ length: 3 }, () => ['a=b', true]),
    );
    assert.deepEqual(labels, [LABEL_LEGITIMATE, LABEL_FRAUD, LABEL_UNKNOWN]);
  });

  test('of several files is one stream', async (t) => {
    const rows = csv.split('\n');
    const early = await write(t, [rows[0], rows[2], rows[3]].join('\n'));
    const late = await write(t, [rows[0], rows[1]].join('\n'));
    await using input = await openRecordedInput(parse(late, ...mapping, early));
    const { transactions, labels } = await readAll(input);
    assert.deepEqual(
      transactions.map(({ transactionId }) => transactionId),
      ['a', 'b', 'c'],
    );
    assert.deepEqual(labels, [], 'no label column was named');
  });

  const refused: readonly (readonly [words: readonly string[], code: string, says: RegExp])[] = [
    [[], 'usage', /^name at least one file of recorded transactions$/],
    [['--column', 'amount=x'], 'usage', /^name at least one file/],
    [['f.csv', '--column', 'amount'], 'usage', /^"amount" is not of the form --column MEMBER=COLUMN$/],
    [['f.csv', '--column', '=amount'], 'usage', /^"=amount" is not of the form --column MEMBER=COLUMN$/],
    [['f.csv', '--default', 'currency'], 'usage', /^"currency" is not of the form --default MEMBER=VALUE$/],
    [['f.csv', '--column', 'amuont=x'], 'member-mapping', /amuont/],
    [['f.csv', '--default', 'amount=1'], 'member-mapping', /amount/],
    [['f.csv', '--default', '__proto__=1'], 'member-mapping', /__proto__/],
    [['f.csv', '--default', 'is_international=maybe'], 'member-mapping', /is_international/],
  ];
  for (const [words, code, says] of refused) {
    test(`of ${words.join(' ') || 'nothing'} is refused by name`, async () => {
      await assert.rejects(openRecordedInput(parse(...words)), (error: Error & { code?: string }) => {
        assert.equal(error.code, code, String(error));
        assert.match(error.message, says);
        return true;
      });
    });
  }
});

describe('the delay of labels', () => {
  for (const [text, delayMs] of [
    ['7d', 604_800_000],
    ['12h', 43_200_000],
    ['30m', 1_800_000],
    ['0s', 0],
    ['0d', 0],
    ['90s', 90_000],
    ['99999d', 8_639_913_600_000],
  ] as const) {
    test(`${text} is ${delayMs} ms`, () => assert.equal(labelDelayMs(parse('--label-delay', text)), delayMs));
  }

  test('is seven days unless said otherwise', () => assert.equal(labelDelayMs(parse()), 604_800_000));

  for (const text of ['', '7', 'd', '7 d', '7D', '7w', '-7d', '1.5d', '7d12h', '100000d', '7d\n', '٧d']) {
    test(`is not ${JSON.stringify(text)}`, () => {
      const says = `--label-delay must be a time such as 7d, 12h, 30m or 0s, not "${text}"`;
      assert.throws(
        () => labelDelayMs(parse(`--label-delay=${text}`)),
        (error) => error instanceof UsageError && error.message === says,
      );
    });
  }
});

describe('pending labels', () => {
  const NOON = Date.UTC(2024, 5, 12, 12);
  const batchOf = (labels: readonly number[] | undefined, ...timesMs: number[]): RecordedBatch => ({
    transactions: timesMs.map((timestampMs) => paymentOf({ timestampMs })),
    labels: labels && Uint8Array.from(labels),
    stories: undefined,
  });

  test('are known from the delay on, to the millisecond, once and in order', () => {
    const pending = new PendingLabels(1000);
    const batch = batchOf([LABEL_FRAUD, LABEL_FRAUD], NOON, NOON + 5);
    pending.add(batch, 0, 40);
    pending.add(batch, 1, 41);
    assert.equal(pending.takeKnown(NOON + 999), undefined);
    assert.deepEqual(pending.takeKnown(NOON + 1000), {
      transaction: batch.transactions[0],
      ordinal: 40,
      knownAtMs: NOON + 1000,
    });
    assert.equal(pending.takeKnown(NOON + 1004), undefined);
    assert.equal(pending.takeKnown(NOON + 9_999)?.ordinal, 41);
    assert.equal(pending.takeKnown(Number.POSITIVE_INFINITY), undefined);
  });

  test('are known at once where there is no delay', () => {
    const pending = new PendingLabels(0);
    pending.add(batchOf([LABEL_FRAUD], NOON), 0, 0);
    assert.equal(pending.takeKnown(NOON)?.knownAtMs, NOON);
  });

  test('are those of frauds: nobody reports what was legitimate or is not known', () => {
    const pending = new PendingLabels(0);
    const batch = batchOf([LABEL_LEGITIMATE, LABEL_UNKNOWN], NOON, NOON);
    pending.add(batch, 0, 0);
    pending.add(batch, 1, 1);
    pending.add(batchOf(undefined, NOON), 0, 2);
    assert.equal(pending.takeKnown(Number.POSITIVE_INFINITY), undefined);
  });

  test('come out as a plain list of all frauds has them, whatever is asked when', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(2000), isFraud: fc.boolean(), asks: fc.nat(3) }));
    const property = fc.property(steps, fc.nat(5000), (stream, delayMs) => {
      const pending = new PendingLabels(delayMs);
      const frauds: { transaction: Transaction; ordinal: number }[] = [];
      let nowMs = NOON;
      stream.forEach(({ waitMs, isFraud, asks }, ordinal) => {
        nowMs += waitMs;
        const batch = batchOf([isFraud ? LABEL_FRAUD : LABEL_LEGITIMATE], nowMs);
        pending.add(batch, 0, ordinal);
        if (isFraud) frauds.push({ transaction: batch.transactions[0], ordinal });
        for (let ask = 0; ask < asks; ask++) {
          const isKnown = frauds.length > 0 && frauds[0].transaction.timestampMs + delayMs <= nowMs;
          const expected = isKnown ? frauds.shift() : undefined;
          assert.equal(pending.takeKnown(nowMs)?.ordinal, expected?.ordinal);
        }
      });
    });
    fc.assert(property, { numRuns: 500 });
  });
});

/** A CSV file that goes with the test. */
async function write(t: TestContext, csv: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fraud-test-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, 'recorded.csv');
  await writeFile(file, csv);
  return file;
}

async function readAll(input: RecordedTransactions) {
  const transactions: Transaction[] = [];
  const labels: number[] = [];
  for await (const batch of input.batches()) {
    transactions.push(...batch.transactions);
    labels.push(...(batch.labels ?? []));
  }
  return { transactions, labels };
}
