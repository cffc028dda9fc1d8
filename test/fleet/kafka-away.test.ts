/** The broker is stopped, or hangs, while transactions come: decisions wait on this machine's disk, and follow in order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type KafkaForTest,
  sharedRedis,
  startKafka,
} from '../../src/adapters/local-servers/servers.fixture.ts';
import type { Decision } from '../../src/core/decision/decision.ts';
import { HttpClient } from '../http-client.ts';
import { later, transactionMessage } from '../http-messages.ts';
import { type Service, temporaryDirectory } from '../start-service.ts';
import { askAll, assertAlive, eventually, metricOf, openFleet, PATIENT, startProcess } from './fleet.ts';
import { Load, medianOf } from './load.ts';

const DEADLINE_MS = 30;
/** What a busy machine adds to a deadline. */
const SLACK_MS = 100;
const ANSWERS = 250;
/** The least that may be set. */
const SPOOL_BYTES = 1_048_576;
const BATCH = 500;
/** Far more than the spool holds. */
const BATCHES_MAX = 40;

type Failure = {
  readonly is: string;
  readonly break: (kafka: KafkaForTest) => Promise<unknown>;
  readonly mend: (kafka: KafkaForTest) => Promise<unknown>;
};

const FAILURES: readonly Failure[] = [
  { is: 'hung', break: ({ servers }) => servers.pause(), mend: ({ servers }) => servers.resume() },
  { is: 'killed', break: ({ servers }) => servers.kill(), mend: ({ servers }) => servers.restart() },
];

test('while the broker is away answers keep coming, and all decisions are in the topic afterwards', async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await startKafka(t));
  if (!kafka) return;
  const environment = {
    ...PATIENT,
    KAFKA_PUBLISH_DEADLINE_MS: String(DEADLINE_MS),
    SPOOL_MAX_BYTES: String(SPOOL_BYTES),
  };
  const fleet = await openFleet({ redis, kafka }, environment);
  const dataDirectory = await temporaryDirectory(t);
  const serve = await startProcess(t, fleet, 'serve', { dataDirectory });
  const load = new Load({ name: 'kafka', services: [serve] });
  await load.until(load.begin(), ANSWERS);

  for (const failure of FAILURES) {
    await t.test(failure.is, async () => {
      const phase = load.begin();
      await failure.break(kafka);
      await load.until(phase, phase.latenciesMs.length + ANSWERS);
      await assertAlive(serve);
      await assertNamed(serve.url);
      assert.deepEqual(phase.refusals, []);
      const without = phase.degraded.filter((stages) => stages.includes('publish')).length;
      assert.ok(without > ANSWERS / 2, `${without} of ${phase.degraded.length} by the spool`);
      const medianMs = medianOf(phase.latenciesMs);
      assert.ok(medianMs <= DEADLINE_MS + SLACK_MS, `median ${medianMs} ms`);
      t.diagnostic(`${failure.is}: ${phase.latenciesMs.length} answers, median ${medianMs.toFixed(1)} ms`);
      await failure.mend(kafka);
      await eventually(() => assertForwarded(serve));
    });
  }
  await load.stop();

  await t.test('the spool full: the rest is refused, and a kill then loses nothing', async () => {
    await kafka.servers.pause();
    const { kept, refused } = await fillSpool(serve);
    await assertAlive(serve);
    await serve.stop('SIGKILL');
    await kafka.servers.resume();
    const next = await startProcess(t, fleet, 'serve', { dataDirectory });
    await eventually(() => assertForwarded(next));
    for (const [id, answer] of kept) load.answers.set(id, answer);
    using client = new HttpClient(next.url);
    const answers = await askAll(client, refused);
    refused.forEach(({ transaction_id: id }, index) => {
      load.answers.set(id, answers[index]);
    });
  });

  const decisions = await load.assertInEffect(fleet.settings);
  load.assertInOrder(decisions);
  assert.equal(decisions.size, load.answers.size, 'nothing else is there');
  assertNoneTwice(decisions);
});

/** Sends batches until one is refused. */
async function fillSpool({ url }: Pick<Service, 'url'>) {
  using client = new HttpClient(url);
  const kept = new Map<string, string>();
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const messages = Array.from({ length: BATCH }, (_, index) =>
      transactionMessage(`full-${batch}-${index}`, {
        user_id: `full-u-${index % 50}`,
        timestamp: later(batch * BATCH + index),
      }),
    );
    const answer = await client.post('/predict/batch', { transactions: messages });
    if (answer.status === 200) {
      const { decisions } = answer.json;
      for (const decision of decisions) kept.set(decision.transaction_id, JSON.stringify(decision));
      continue;
    }
    assert.equal(answer.status, 503, answer.text);
    assert.equal(answer.headers['retry-after'], '1');
    assert.match(answer.json.type, /log-unavailable$/);
    return { kept, refused: messages };
  }
  assert.fail('the spool was never full');
}

async function assertForwarded(serve: Service): Promise<void> {
  assert.equal(await metricOf(serve, 'fraud_server_away_seconds', 'kafka'), 0);
  assert.equal(await metricOf(serve, 'fraud_log_bytes'), 0);
}

/** The spool is sent again where nobody knows whether it arrived: such a decision is there twice, and the same. */
function assertNoneTwice(decisions: ReadonlyMap<string, readonly Decision[]>): void {
  for (const [first, ...repeats] of decisions.values())
    for (const repeat of repeats) assert.deepEqual(repeat, first);
}

/** What is away, and since when. */
async function assertNamed(url: string): Promise<void> {
  using client = new HttpClient(url, 1);
  const [trouble] = (await client.get('/health')).json.troubles;
  assert.equal(trouble.server, 'kafka');
  const sinceMs = Date.now() - Date.parse(trouble.since);
  assert.ok(sinceMs >= 0 && sinceMs < 30_000, trouble.since);
  assert.ok((await metricOf({ url }, 'fraud_server_away_seconds', 'kafka')) > 0);
  assert.ok((await metricOf({ url }, 'fraud_degraded_total', 'stage="publish"')) > 0);
}
