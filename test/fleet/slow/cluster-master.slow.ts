/** A master of a Redis Cluster is killed, or hangs, while transactions come: its replica takes over, and nobody restarts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedKafka, startRedisCluster } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { assertAlive, eventually, metricOf, openFleet, startProcess } from '../fleet.ts';
import { assertSameAsUnbroken, Load, medianOf } from '../load.ts';

const DEADLINE_MS = 50;
/** What a busy machine adds to a deadline. */
const SLACK_MS = 100;
const ANSWERS = 300;
const BACK_WITHIN_MS = 30_000;

test('a master of the cluster killed: answers keep coming, and all is normal once its replica has taken over', async (t) => {
  const cluster = await startRedisCluster(t);
  const kafka = cluster && (await sharedKafka(t));
  if (!kafka) return;
  const [redis] = cluster.addresses;
  const fleet = await openFleet({ redis, kafka }, { REDIS_CLUSTER: 'true' });
  const serve = await startProcess(t, fleet, 'serve');
  const load = new Load({ name: 'cluster', services: [serve] });
  await load.until(load.begin(), ANSWERS);

  // Not the one that the service was told: it must not need it again.
  const master = (await cluster.findMasters()).findLast(({ recipe }) => recipe.port !== redis.port)!;
  const phase = load.begin();
  await master.kill();
  await eventually(async () => assert.ok((await metricOf(serve, 'fraud_server_away_seconds', 'redis')) > 0));
  await assertAlive(serve);
  await load.until(phase, phase.latenciesMs.length + ANSWERS);
  assert.deepEqual(phase.refusals, []);
  assert.ok(phase.degraded.some((stages) => stages.includes('features')));
  const medianMs = medianOf(phase.latenciesMs);
  assert.ok(medianMs <= DEADLINE_MS + SLACK_MS, `median ${medianMs} ms`);
  await eventually(async () => {
    const mended = load.begin();
    await load.until(mended, 50);
    assert.ok(mended.degraded.filter((stages) => stages.length === 0).length > 25);
    assert.equal(await metricOf(serve, 'fraud_server_away_seconds', 'redis'), 0);
  }, BACK_WITHIN_MS);
  await load.stop();
  await eventually(async () =>
    assert.ok((await metricOf(serve, 'fraud_repaired_total')) >= load.unrecorded, `of ${load.unrecorded}`),
  );
  t.diagnostic(`${load.answers.size} answers, ${load.unrecorded} without the cluster`);
  await load.assertInEffect(fleet.settings);
  await assertSameAsUnbroken(t, fleet, load.messages);
});
