/** One of three brokers is killed while transactions come: the others take its partitions over, and nothing is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedRedis, startKafka } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { later, transactionMessage } from '../../http-messages.ts';
import {
  assertAlive,
  decisionsInLog,
  eventually,
  metricOf,
  openFleet,
  PATIENT,
  sendTransactions,
  startProcess,
} from '../fleet.ts';
import { Load, medianOf } from '../load.ts';

const DEADLINE_MS = 30;
/** What a busy machine adds to a deadline. */
const SLACK_MS = 100;
const ANSWERS = 300;
const STREAMED = 1_000;
const ELECTED_WITHIN_MS = 60_000;

test('one of three brokers killed: answers keep coming, and the decisions are where they belong', async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await startKafka(t, { brokers: 3 }));
  if (!kafka) return;
  const environment = { ...PATIENT, KAFKA_PUBLISH_DEADLINE_MS: String(DEADLINE_MS) };
  const fleet = await openFleet({ redis, kafka }, environment);
  const serve = await startProcess(t, fleet, 'serve');
  const stream = await startProcess(t, fleet, 'stream');
  const load = new Load({ name: 'brokers', services: [serve] });
  await load.until(load.begin(), ANSWERS);

  const phase = load.begin();
  await kafka.servers.nodes[0].kill();
  await load.until(phase, phase.latenciesMs.length + ANSWERS);
  await assertAlive(serve);
  await assertAlive(stream);
  assert.deepEqual(phase.refusals, []);
  const medianMs = medianOf(phase.latenciesMs);
  assert.ok(medianMs <= DEADLINE_MS + SLACK_MS, `median ${medianMs} ms`);

  const streamed = Array.from({ length: STREAMED }, (_, index) =>
    transactionMessage(`streamed-${index}`, { user_id: `streamed-u-${index % 30}`, timestamp: later(index) }),
  );
  await eventually(() => sendTransactions(fleet.settings, streamed), ELECTED_WITHIN_MS);
  await eventually(async () => {
    const mended = load.begin();
    await load.until(mended, 50);
    assert.ok(
      mended.degraded.some((stages) => stages.length === 0),
      'two brokers are enough',
    );
  }, ELECTED_WITHIN_MS);
  await load.stop();
  await eventually(async () => {
    assert.equal(await metricOf(serve, 'fraud_log_bytes'), 0);
    assert.equal(await metricOf(stream, 'fraud_log_bytes'), 0);
  });
  const decisions = await eventually(async () => {
    const found = await decisionsInLog(fleet.settings);
    assert.equal(found.size, load.answers.size + STREAMED);
    return found;
  });
  await load.assertInEffect(fleet.settings);
  load.assertInOrder(decisions);
  for (const [first, ...repeats] of decisions.values())
    for (const repeat of repeats) assert.deepEqual(repeat, first);
});
