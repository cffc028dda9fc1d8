/** Redis goes away while records come: the stream decides without it, and waits with what it cannot do without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sharedKafka, startRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { later, transactionMessage } from '../../http-messages.ts';
import {
  assertAlive,
  decisionsInLog,
  eventually,
  metricOf,
  openFleet,
  sendRecords,
  sendTransactions,
  startProcess,
} from '../fleet.ts';
import { assertSameAsUnbroken } from '../load.ts';

const STREAMS = 2;
const PIECES = 24;
const PIECE = 100;
const PIECE_EVERY_MS = 250;
/** Pieces at which Redis is stopped, started, paused and resumed. */
const STOPPED_AT = 4;
const STARTED_AT = 8;
const PAUSED_AT = 12;
const RESUMED_AT = 16;
const LABELS = 40;
/** Before the last transactions, which count them if their delay has passed. */
const KNOWN_SECONDS = 100_000;

test('while Redis is away the stream goes on, and everything counts once afterwards', async (t) => {
  const redis = await startRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const fleet = await openFleet({ redis, kafka });
  const streams = await Promise.all(Array.from({ length: STREAMS }, () => startProcess(t, fleet, 'stream')));
  const sumOf = async (name: string, labels?: string) => {
    const each = await Promise.all(streams.map((stream) => metricOf(stream, name, labels)));
    return each.reduce((sum, value) => sum + value, 0);
  };
  const messages = Array.from({ length: PIECES * PIECE }, (_, index) =>
    transactionMessage(`streamed-${index}`, {
      user_id: `streamed-u-${index % 40}`,
      terminal_id: `streamed-m-${index % 9}`,
      timestamp: later(index),
    }),
  );
  const labels = messages
    .slice(0, LABELS)
    .map(({ transaction_id }) => ({ transaction_id, is_fraud: true, known_at: later(KNOWN_SECONDS) }));
  for (let piece = 0; piece < PIECES; piece++) {
    if (piece === STOPPED_AT) await redis.servers.stop();
    if (piece === STARTED_AT) await redis.servers.restart();
    if (piece === PAUSED_AT) await redis.servers.pause();
    if (piece === PAUSED_AT + 1) {
      await Promise.all(streams.map(assertAlive));
      const records = labels.map((label) => ({ key: label.transaction_id, value: JSON.stringify(label) }));
      await sendRecords(fleet.settings, 'labels', records);
    }
    if (piece === RESUMED_AT) await redis.servers.resume();
    await sendTransactions(fleet.settings, messages.slice(piece * PIECE, (piece + 1) * PIECE));
    await delay(PIECE_EVERY_MS);
  }

  const decisions = await eventually(async () => {
    const found = await decisionsInLog(fleet.settings);
    assert.equal(found.size, messages.length);
    assert.equal(await sumOf('kafka_consumergroup_lag'), 0);
    return found;
  });
  const unrecorded = [...decisions.values()].filter(([{ degraded }]) => degraded.length > 0).length;
  t.diagnostic(`${unrecorded} of ${decisions.size} were decided without Redis`);
  assert.ok(unrecorded > PIECE * 4);
  await eventually(async () => {
    assert.ok((await sumOf('fraud_repaired_total')) >= unrecorded);
    assert.equal(await sumOf('fraud_labels_total'), LABELS);
  });
  assert.equal(await sumOf('fraud_dead_letters_total'), 0);
  await assertSameAsUnbroken(t, fleet, messages, labels);
});
