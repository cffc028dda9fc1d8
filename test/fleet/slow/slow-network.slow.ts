/** The network between a service and its stores is slow: what misses its deadline is done without, and nothing piles up. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sharedKafka, sharedRedis, startKafka } from '../../../src/adapters/local-servers/servers.fixture.ts';
import type { Service } from '../../start-service.ts';
import { undoAtEnd } from '../../start-service.ts';
import { assertAlive, eventually, metricOf, openFleet, PATIENT, startProcess } from '../fleet.ts';
import { assertSameAsUnbroken, Load, medianOf, type Phase } from '../load.ts';
import { SlowProxy } from '../slow-proxy.ts';

/** What a busy machine adds to a deadline. */
const SLACK_MS = 100;
const ANSWERS = 1_000;
const CALLERS = 16;
/** Sixteen callers wait for one answer each. */
const WAITING_MAX = CALLERS;
/** Of a service that keeps nothing; what it holds at its busiest, and garbage. */
const GROWTH_BYTES_MAX = 120 * 1024 * 1024;

test('between service and Redis', async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const proxy = await listenFor(t, redis.port);
  const fleet = await openFleet({ redis, kafka }, { REDIS_PORT: String(proxy.port) });
  const serve = await startProcess(t, fleet, 'serve');
  const load = new Load({ name: 'slow-redis', services: [serve], callers: CALLERS });
  await load.until(load.begin(), ANSWERS);
  const before = await residentBytes(serve);

  await t.test('a little: everything is done with it', async () => {
    proxy.delayMs = 1;
    const phase = await watched(load, serve);
    assertInTime(phase, 50);
    const whole = phase.degraded.filter((stages) => stages.length === 0).length;
    assert.ok(whole > phase.degraded.length / 2, `${whole} of ${phase.degraded.length} with all stages`);
    told(t, phase);
  });

  for (const delayMs of [20, 400]) {
    await t.test(`by ${delayMs} ms: it is done without`, async () => {
      proxy.delayMs = delayMs;
      const phase = await watched(load, serve);
      assertInTime(phase, 50);
      const without = phase.degraded.filter((stages) => stages.includes('features')).length;
      assert.ok(without > phase.degraded.length / 2, `${without} of ${phase.degraded.length} without`);
      told(t, phase);
    });
  }

  proxy.delayMs = 0;
  await load.stop();
  await eventually(async () =>
    assert.ok((await metricOf(serve, 'fraud_repaired_total')) >= load.unrecorded, `of ${load.unrecorded}`),
  );
  const growth = (await residentBytes(serve)) - before;
  t.diagnostic(`memory has grown by ${Math.round(growth / 1024 / 1024)} MiB`);
  assert.ok(growth < GROWTH_BYTES_MAX, `${growth} bytes more`);
  await load.assertInEffect(fleet.settings);
  await assertSameAsUnbroken(t, fleet, load.messages);
});

test('between service and Kafka', async (t) => {
  const redis = await sharedRedis(t);
  const proxy = redis && (await listenFor(t));
  const advertised = proxy && { 'advertised.listeners': `CLIENTS://${proxy.host}:${proxy.port}` };
  const kafka = advertised && (await startKafka(t, { settings: advertised }));
  if (!kafka) return;
  proxy.targetPort = Number(kafka.bootstrapServers[0].split(':')[1]);
  const environment = { ...PATIENT, KAFKA_PUBLISH_DEADLINE_MS: '30' };
  const fleet = await openFleet({ redis, kafka }, environment);
  const serve = await startProcess(t, fleet, 'serve');
  const load = new Load({ name: 'slow-kafka', services: [serve], callers: CALLERS });
  await load.until(load.begin(), ANSWERS);
  const before = await residentBytes(serve);
  for (const delayMs of [5, 100, 1_000]) {
    await t.test(`by ${delayMs} ms`, async () => {
      proxy.delayMs = delayMs;
      const phase = await watched(load, serve);
      assertInTime(phase, 30);
      told(t, phase);
    });
  }
  proxy.delayMs = 0;
  await load.stop();
  await eventually(async () => assert.equal(await metricOf(serve, 'fraud_log_bytes'), 0));
  const growth = (await residentBytes(serve)) - before;
  t.diagnostic(`memory has grown by ${Math.round(growth / 1024 / 1024)} MiB`);
  assert.ok(growth < GROWTH_BYTES_MAX, `${growth} bytes more`);
  const decisions = await load.assertInEffect(fleet.settings);
  load.assertInOrder(decisions);
  assert.equal(decisions.size, load.answers.size);
});

async function listenFor(t: TestContext, targetPort = 0): Promise<SlowProxy> {
  const proxy = await SlowProxy.listen();
  undoAtEnd(t, () => proxy[Symbol.asyncDispose]());
  proxy.targetPort = targetPort;
  return proxy;
}

/** A phase of the load, with what waits in the service looked at all the while. */
async function watched(load: Load, serve: Service): Promise<Phase> {
  const phase = load.begin();
  while (phase.latenciesMs.length < ANSWERS) {
    await load.until(phase, Math.min(ANSWERS, phase.latenciesMs.length + ANSWERS / 10));
    const waiting = await metricOf(serve, 'fraud_waiting_transactions');
    assert.ok(waiting <= WAITING_MAX, `${waiting} transactions wait`);
  }
  await assertAlive(serve);
  return phase;
}

function assertInTime({ latenciesMs, refusals }: Phase, deadlineMs: number): void {
  assert.deepEqual(refusals, []);
  const medianMs = medianOf(latenciesMs);
  assert.ok(medianMs <= deadlineMs + SLACK_MS, `median ${medianMs} ms`);
}

function told(t: TestContext, { latenciesMs, degraded }: Phase): void {
  const without = (stage: string) => degraded.filter((stages) => stages.includes(stage)).length;
  const stages = ['ingest', 'features', 'publish'].map((stage) => `${without(stage)} without ${stage}`);
  t.diagnostic(
    `median ${medianOf(latenciesMs).toFixed(1)} ms of ${latenciesMs.length}, ${stages.join(', ')}`,
  );
}

function residentBytes(serve: Service): Promise<number> {
  return metricOf(serve, 'process_resident_memory_bytes');
}
