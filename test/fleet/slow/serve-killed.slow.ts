/** `serve` is killed: what was acknowledged is in the log, and whoever asks again is given what was decided. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sharedKafka, sharedRedis, startKafka } from '../../../src/adapters/local-servers/servers.fixture.ts';
import { answerJson } from '../../../src/core/decision/answer.ts';
import { HttpClient } from '../../http-client.ts';
import { transactionMessage } from '../../http-messages.ts';
import { temporaryDirectory, undoAtEnd } from '../../start-service.ts';
import { decisionsInLog, eventually, openFleet, PATIENT, startProcess } from '../fleet.ts';
import { assertSameAsUnbroken, Load, medianOf } from '../load.ts';
import { SlowProxy } from '../slow-proxy.ts';

const KILLS = 6;
const SERVES = 2;
const LIFE_MS = 700;
/** So long a consumer group waits for a member that was killed; a service is there before. */
const SESSION_MS = 8_000;

test('killed between the log’s append and the reply: another process gives the stored decision', async (t) => {
  const redis = await sharedRedis(t);
  const proxy = redis && (await listenFor(t));
  const kafka =
    proxy &&
    (await startKafka(t, { settings: { 'advertised.listeners': `CLIENTS://${proxy.host}:${proxy.port}` } }));
  if (!kafka) return;
  proxy.targetPort = Number(kafka.bootstrapServers[0].split(':')[1]);
  const fleet = await openFleet({ redis, kafka }, PATIENT);
  const serve = await startProcess(t, fleet, 'serve');
  using client = new HttpClient(serve.url);
  const before = transactionMessage('between-before');
  assert.equal((await client.post('/predict', before)).status, 200);

  proxy.isLosingAnswers = true;
  const message = transactionMessage('between-1');
  const unanswered = client.post('/predict', message);
  unanswered.catch(() => {}); // as it dies, below
  await delay(1_000);
  await serve.stop('SIGKILL');
  await assert.rejects(unanswered);

  proxy.isLosingAnswers = false;
  const logged = await eventually(async () => {
    const found = (await decisionsInLog(fleet.settings)).get('between-1');
    assert.ok(found, 'the log has it');
    return answerJson(found[0]);
  });
  const other = await startProcess(t, fleet, 'serve');
  using again = new HttpClient(other.url);
  const { status, text } = await again.post('/predict', message);
  assert.deepEqual([status, text], [200, logged]);
  await other.stop();
  await assertSameAsUnbroken(t, fleet, [before, message]);
});

test(`${KILLS} kills of ${SERVES} serves under load: nothing acknowledged is lost, nothing counts twice`, async (t) => {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  if (!kafka) return;
  const fleet = await openFleet({ redis, kafka }, PATIENT);
  const directories = await Promise.all(Array.from({ length: SERVES }, () => temporaryDirectory(t)));
  const start = (index: number) => startProcess(t, fleet, 'serve', { dataDirectory: directories[index] });
  const services = await Promise.all(directories.map((_, index) => start(index)));
  const load = new Load({ name: 'serve-killed', services, isRetrying: true, pauseMs: 15 });
  const restartsMs: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const index = kill % SERVES;
    await delay(LIFE_MS * (0.5 + Math.random()));
    await services[index].stop('SIGKILL');
    const killedMs = performance.now();
    services[index] = await start(index);
    restartsMs.push(performance.now() - killedMs);
    load.replace(index, services[index]);
  }
  const restartMs = medianOf(restartsMs);
  assert.ok(
    restartMs < SESSION_MS,
    `a restart takes ${restartMs} ms: it waits for the group to give up the dead`,
  );
  await load.stop();
  await Promise.all(services.map((service) => service.stop()));
  const decisions = await load.assertInEffect(fleet.settings);
  assert.equal(decisions.size, load.messages.length);
  assert.equal(load.answers.size, load.messages.length);
  for (const [first, ...repeats] of decisions.values())
    for (const repeat of repeats) assert.deepEqual(repeat, first);
  t.diagnostic(`${load.answers.size} acknowledged`);
  await assertSameAsUnbroken(t, fleet, load.messages);
});

async function listenFor(t: TestContext): Promise<SlowProxy> {
  const proxy = await SlowProxy.listen();
  undoAtEnd(t, () => proxy[Symbol.asyncDispose]());
  return proxy;
}
