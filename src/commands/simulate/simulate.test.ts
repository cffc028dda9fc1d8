import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { openRecordedTransactions } from '../../adapters/duckdb/recorded-transactions.ts';
import { parseTransaction } from '../../core/transaction/parse-transaction.ts';
import { formatTimestamp } from '../../core/transaction/timestamp.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import { simulate } from './simulate.ts';
import { SIMULATE_DEFAULTS, SimulateOptionError, type SimulateOptions } from './simulate-options.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'simulate-'));
});
after(() => rm(directory, { recursive: true }));

/** Of SMALL as NDJSON; it changes only if what a seed means is changed, which breaks everybody's recorded results. */
const GOLDEN_SHA256 = '09010061d6f0cdc4eff5d4d176bb3c357008f0ea25304967928c7e59d84607f4';
const SMALL = { ...SIMULATE_DEFAULTS, users: 50, terminals: 100, days: 5 };

async function simulateText(name: string, options: Partial<SimulateOptions> = {}): Promise<string> {
  const out = join(directory, name);
  await simulate({ ...SMALL, ...options, out });
  return readFile(out, 'utf8');
}

suite('the file', () => {
  test('is the same for the same seed, for ever', async () => {
    const text = await simulateText('golden.ndjson');
    assert.equal(createHash('sha256').update(text).digest('hex'), GOLDEN_SHA256);
    assert.notEqual(await simulateText('other.ndjson', { seed: 2 }), text);
  });

  test('of more days begins with the file of fewer', async () => {
    const [few, more] = [
      await simulateText('few.ndjson', { days: 3 }),
      await simulateText('more.ndjson', { days: 6 }),
    ];
    assert(more.length > few.length && more.startsWith(few));
  });

  test('has rows of the contract and two members more, in the order of time, numbered', async () => {
    const lines = (await simulateText('contract.ndjson')).trimEnd().split('\n');
    const rows = lines.map((line) => JSON.parse(line));
    for (const [index, { is_fraud, fraud_story, ...message }] of rows.entries()) {
      const transaction = parseTransaction(message);
      assert.match(message.user_id, /^u-000[0-4]\d$/);
      assert.match(message.terminal_id, /^m-000\d\d$/);
      assert.equal(transaction.transactionId, `t-${String(index).padStart(9, '0')}`);
      assert.equal(is_fraud, fraud_story !== 'none');
    }
    const times = rows.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, times.toSorted());
    assert(times[0].startsWith('2026-01-01T') && times.at(-1).startsWith('2026-01-05T'));
  });

  test('says the same as Parquet and as NDJSON', async () => {
    const read = async (name: string) => {
      const out = join(directory, name);
      await simulate({ ...SMALL, out });
      await using recorded = await openRecordedTransactions({ files: [out], labelColumn: 'is_fraud' });
      const all: [Transaction, label: number][] = [];
      for await (const { transactions, labels } of recorded.batches()) {
        for (const [index, transaction] of transactions.entries()) all.push([transaction, labels![index]]);
      }
      return all;
    };
    const parquet = await read('twin.parquet');
    assert.deepEqual(parquet, await read('twin.ndjson'));
    assert(parquet.some(([, label]) => label === 1) && parquet.some(([, label]) => label === 0));
  });

  test('of the smallest world there is has its story too', async () => {
    const summary = await simulate({ ...SMALL, users: 1, terminals: 1, out: join(directory, 'one.parquet') });
    assert(summary.byStory.compromised_terminal + summary.byStory.stolen_card > 0);
  });
});

test('progress is told after every day and ends with the totals', async () => {
  const told: number[] = [];
  const summary = await simulate({ ...SMALL, out: join(directory, 'progress.ndjson') }, (progress) =>
    told.push(progress.daysDone, progress.transactions),
  );
  assert.deepEqual(
    told.filter((_, index) => index % 2 === 0),
    [1, 2, 3, 4, 5],
  );
  assert.equal(told.at(-1), summary.transactions);
  const counted = Object.values(summary.byStory).reduce((sum, count) => sum + count);
  assert.deepEqual([counted, counted - summary.byStory.none], [summary.transactions, summary.frauds]);
});

suite('an option out of its range is refused by name', () => {
  const cases: Partial<SimulateOptions>[] = [
    { users: 0 },
    { users: 1e9 },
    { terminals: 1.5 },
    { days: -1 },
    { seed: Number.NaN },
    { startMs: 0 },
    { startMs: Date.UTC(2099, 0, 1) },
  ];
  for (const options of cases) {
    test(JSON.stringify(options), async () => {
      await assert.rejects(simulateText('refused.ndjson', options), (error) => {
        assert(error instanceof SimulateOptionError);
        assert.equal(error.option, Object.keys(options)[0]);
        return true;
      });
    });
  }
});

test('days start at midnight of the day that was asked for', async () => {
  const startMs = Date.UTC(2027, 1, 28);
  const text = await simulateText('start.ndjson', { startMs, days: 2 });
  const days = new Set(Array.from(text.matchAll(/"timestamp":"(.{10})/g), ([, day]) => day));
  assert.deepEqual(
    [...days],
    [startMs, startMs + 86_400_000].map((ms) => formatTimestamp(ms).slice(0, 10)),
  );
});
