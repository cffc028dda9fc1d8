/** Redis without Kafka: each process has a log of its own, from which it tells Redis what that has missed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRedis } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { temporaryDirectory } from '../../start-service.ts';
import { eventually, metricOf, startProcess } from '../fleet.ts';
import { assertSameAsUnbroken, Load } from '../load.ts';

const ANSWERS = 250;

test('killed while Redis hangs, a process tells it at the next start what it decided meanwhile', async (t) => {
  const redis = await startRedis(t);
  if (!redis) return;
  const fleet = { environment: { REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) } };
  const dataDirectory = await temporaryDirectory(t);
  const serve = await startProcess(t, fleet, 'serve', { dataDirectory });
  const load = new Load({ name: 'own', services: [serve] });
  await load.until(load.begin(), ANSWERS);
  await redis.servers.pause();
  await load.until(load.begin(), ANSWERS);
  await load.stop();
  assert.ok(load.unrecorded >= ANSWERS / 2);
  await serve.stop('SIGKILL');
  await redis.servers.resume();
  const next = await startProcess(t, fleet, 'serve', { dataDirectory });
  await eventually(async () =>
    assert.ok((await metricOf(next, 'fraud_repaired_total')) >= load.unrecorded, `of ${load.unrecorded}`),
  );
  await assertSameAsUnbroken(t, fleet, load.messages);
});
