/** Redis is stopped, hangs, is full, comes back empty, while transactions come: they are answered in time without it. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { askRedis } from '../../src/adapters/local-servers/redis-server.ts';
import {
  type RedisForTest,
  sharedKafka,
  startRedis,
} from '../../src/adapters/local-servers/servers.fixture.ts';
import { HttpClient } from '../http-client.ts';
import { runVerbIn, temporaryDirectory } from '../start-service.ts';
import {
  askAll,
  assertAlive,
  eventually,
  type Fleet,
  historiesIn,
  metricOf,
  openFleet,
  startProcess,
} from './fleet.ts';
import { assertSameAsUnbroken, Load, medianOf } from './load.ts';

const DEADLINE_MS = 50;
/** What a busy machine adds to a deadline. */
const SLACK_MS = 100;
const ANSWERS = 250;
/** Asked again while Redis is away. */
const OLD = 30;

type Failure = {
  readonly is: string;
  readonly break: (redis: RedisForTest) => Promise<unknown>;
  readonly mend: (redis: RedisForTest) => Promise<unknown>;
};

const FAILURES: readonly Failure[] = [
  {
    is: 'stopped',
    break: ({ servers }) => servers.stop(),
    mend: ({ servers }) => servers.restart(),
  },
  { is: 'hung', break: ({ servers }) => servers.pause(), mend: ({ servers }) => servers.resume() },
  {
    is: 'out of memory',
    break: (redis) => askRedis(redis, ['CONFIG', 'SET', 'maxmemory', '1mb']),
    mend: (redis) => askRedis(redis, ['CONFIG', 'SET', 'maxmemory', '0']),
  },
];

test('while Redis is away answers keep coming, and what was decided is in the histories afterwards', async (t) => {
  const redis = await startRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const fleet = await openFleet({ redis, kafka }, { STORE_DEADLINE_MS: String(DEADLINE_MS) });
  const dataDirectory = await temporaryDirectory(t);
  const serve = await startProcess(t, fleet, 'serve', { dataDirectory });
  const load = new Load({ name: 'redis', services: [serve] });
  await load.until(load.begin(), ANSWERS);
  const old = load.messages.slice(0, OLD);
  const oldAnswers = old.map(({ transaction_id: id }) => load.answers.get(id));
  using client = new HttpClient(serve.url);

  for (const failure of FAILURES) {
    await t.test(failure.is, async () => {
      const phase = load.begin();
      await failure.break(redis);
      await load.until(phase, phase.latenciesMs.length + ANSWERS);
      await assertAlive(serve);
      await assertNamed(serve.url);
      await load.assertRepeatedWithoutIndex(serve);
      await askAll(client, old); // nobody can know that they were decided
      assert.ok((await metricOf(serve, 'fraud_degraded_total', 'stage="features"')) > 0);
      assert.deepEqual(phase.refusals, []);
      const without = phase.degraded.filter((stages) => stages.includes('features')).length;
      assert.ok(without > ANSWERS / 2, `${without} of ${phase.degraded.length} without features`);
      const medianMs = medianOf(phase.latenciesMs);
      assert.ok(medianMs <= DEADLINE_MS + SLACK_MS, `median ${medianMs} ms`);
      t.diagnostic(`${failure.is}: ${phase.latenciesMs.length} answers, median ${medianMs.toFixed(1)} ms`);
      await failure.mend(redis);
      await eventually(async () => {
        const mended = load.begin();
        await load.until(mended, 20);
        assert.ok(
          mended.degraded.some((stages) => stages.length === 0),
          'none is decided with everything',
        );
        assert.equal(await metricOf(serve, 'fraud_server_away_seconds', 'redis'), 0);
      });
    });
  }

  await load.stop();
  await eventually(async () =>
    assert.ok((await metricOf(serve, 'fraud_repaired_total')) >= load.unrecorded, `of ${load.unrecorded}`),
  );
  assert.deepEqual(await askAll(client, old), oldAnswers, 'what was decided before stands');
  await load.assertInEffect(fleet.settings);
  await assertSameAsUnbroken(t, fleet, load.messages);

  await t.test('restarted empty, and rebuilt from the topics', async () => {
    await serve.stop();
    const before = await historiesIn(redis);
    assert.ok(before.size > 20);
    await restartEmpty(redis);
    assert.equal((await historiesIn(redis)).size, 0);
    await rebuild(fleet);
    assert.deepEqual(await historiesIn(redis), before);
  });

  await t.test('restarted empty while transactions come, and rebuilt', async () => {
    const again = await startProcess(t, fleet, 'serve', { dataDirectory });
    const emptied = new Load({ name: 'emptied', services: [again] });
    const phase = emptied.begin();
    await emptied.until(phase, ANSWERS);
    await restartEmpty(redis);
    await emptied.until(phase, phase.latenciesMs.length + ANSWERS);
    await emptied.stop();
    assert.deepEqual(phase.refusals, []);
    await eventually(async () =>
      assert.ok((await metricOf(again, 'fraud_repaired_total')) >= emptied.unrecorded),
    );
    await again.stop();
    await rebuild(fleet);
    await assertSameAsUnbroken(t, fleet, emptied.messages);
  });
});

async function restartEmpty({ servers }: RedisForTest): Promise<void> {
  await servers.kill();
  await rm(join(servers.nodes[0].recipe.folder, 'appendonlydir'), { recursive: true });
  await servers.restart();
}

async function rebuild({ environment }: Fleet): Promise<void> {
  const { code, stderr } = await runVerbIn(environment, 'rebuild');
  assert.equal(code, 0, stderr);
}

/** What is away, and since when. */
async function assertNamed(url: string): Promise<void> {
  using client = new HttpClient(url, 1);
  const [trouble] = (await client.get('/health')).json.troubles;
  assert.equal(trouble.server, 'redis');
  const sinceMs = Date.now() - Date.parse(trouble.since);
  assert.ok(sinceMs >= 0 && sinceMs < 30_000, trouble.since);
  assert.ok((await metricOf({ url }, 'fraud_server_away_seconds', 'redis')) > 0);
  const refused = await client.post('/labels', { transaction_id: 'redis-0', is_fraud: true });
  assert.equal(refused.status, 503, refused.text);
  assert.equal(refused.headers['retry-after'], '1');
}
