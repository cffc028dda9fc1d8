/**
 * A simulated month with its frauds and what became known of them, through every store, every log and every door. With
 * SAME_FILE=transactions.ndjson, messages of /predict with is_fraud in time order, that file instead.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startKafka, startRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { runVerb, startService, temporaryDirectory } from '../../start-service.ts';
import type { Message } from '../fleet.ts';
import type { LabelMessage } from '../load.ts';
import { decideBy, type Step, WAYS } from '../same.ts';

const SIMULATE = ['simulate', '--users', '45', '--terminals', '25', '--days', '27', '--seed', '5'];
const DAY_MS = 86_400_000;
const LABEL_DELAY_MS = 2 * DAY_MS;

test('features and decisions are the same everywhere, bit for bit', async (t) => {
  const redis = await startRedis(t);
  const kafka = redis && (await startKafka(t));
  if (!kafka) return;
  const steps = await stepsByDay(t);
  const count = steps.reduce((sum, { transactions }) => sum + transactions.length, 0);
  const labels = steps.reduce((sum, step) => sum + step.labels.length, 0);
  t.diagnostic(`${count} transactions, ${labels} labels`);
  assert.ok(count > 1_800 && labels > 30);

  const context = {
    servers: { redis, kafka },
    start: (verb: 'serve' | 'stream', environment: Readonly<Record<string, string>>, dataDirectory: string) =>
      startService(t, { verb, environment, dataDirectory }),
    newDirectory: () => temporaryDirectory(t),
  };
  const [first, ...others] = WAYS;
  const expected = await decideBy(first, steps, context);
  assert.equal(expected.size, count);
  for (const way of others) {
    await t.test(way.name, async () => {
      const decided = await decideBy(way, steps, context);
      assert.equal(decided.size, count);
      for (const [id, decision] of expected) assert.equal(decided.get(id), decision, id);
    });
  }
});

type Row = Message & { readonly is_fraud: boolean; readonly fraud_story?: string };

/** A day each: its transactions, then the frauds that became known before the next day. */
async function stepsByDay(t: TestContext): Promise<readonly Step[]> {
  const file = process.env.SAME_FILE ?? (await simulate(t));
  const rows = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line): Row => JSON.parse(line));
  const dayOf = (timeMs: number) => Math.floor(timeMs / DAY_MS);
  const labelsByDay = Map.groupBy(rows.filter((row) => row.is_fraud).map(labelOf), ({ known_at }) =>
    dayOf(Date.parse(known_at)),
  );
  const byDay = Map.groupBy(rows, ({ timestamp }) => dayOf(Date.parse(timestamp)));
  return [...byDay].map(([day, own]) => ({
    transactions: own.map(({ is_fraud: _fraud, fraud_story: _story, ...message }) => message),
    labels: (labelsByDay.get(day) ?? []).toSorted((one, other) => one.known_at.localeCompare(other.known_at)),
  }));
}

async function simulate(t: TestContext): Promise<string> {
  const file = join(await temporaryDirectory(t), 'month.ndjson');
  const { code, stderr } = await runVerb(...SIMULATE, '--out', file);
  assert.equal(code, 0, stderr);
  return file;
}

function labelOf({ transaction_id, timestamp }: Row): LabelMessage {
  return {
    transaction_id,
    is_fraud: true,
    known_at: new Date(Date.parse(timestamp) + LABEL_DELAY_MS).toISOString(),
  };
}
