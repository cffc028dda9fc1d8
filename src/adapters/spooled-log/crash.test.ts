import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryDirectory, undoAtEnd } from '../../../test/start-service.ts';
import { createTopics, readAll, settingsFor } from '../kafka/kafka.fixture.ts';
import type { KafkaSettings } from '../kafka/kafka-settings.ts';
import { startKafka } from '../local-servers/servers.fixture.ts';

const WRITER = join(import.meta.dirname, 'crash-writer.fixture.ts');

test('what a killed process has spooled is forwarded, in order, by the next', async (t) => {
  const kafka = await startKafka(t);
  if (!kafka) return;
  const settings = settingsFor(kafka.bootstrapServers);
  await createTopics(settings);
  const directory = await temporaryDirectory(t);

  const first = startWriter(t, settings, { directory, from: 0, to: 400 });
  await first.says('all');
  await kafka.servers.kill();
  await first.kill();

  const second = startWriter(t, settings, { directory, from: 400, to: 2_400 });
  await second.says('spooling');
  await second.says('1500');
  await second.kill();

  await kafka.servers.start({ isDetached: false });
  const third = startWriter(t, settings, { directory, from: 2_400, to: 2_600 });
  await third.says('all');
  await third.says('forwarded');
  await delay(200); // what was handed over is acknowledged by then
  const acknowledged = [first, second, third].flatMap(({ acknowledged }) => acknowledged());
  await third.kill();

  const found = (await readAll(settings)).flatMap((event) =>
    event.kind === 'decision' ? [event.decision.transaction] : [],
  );
  const ids = new Set(found.map(({ transactionId }) => transactionId as string));
  for (const index of acknowledged) assert.ok(ids.has(`transaction-${index}`), `${index} is lost`);
  assert.ok(acknowledged.length > 1_500);
  assertFirstsInOrder(
    found.map(({ userId, transactionId }) => [userId, Number(transactionId.split('-')[1])]),
  );
  t.diagnostic(
    `${acknowledged.length} acknowledged, ${found.length} records of ${ids.size} decisions in the log`,
  );
});

function assertFirstsInOrder(found: readonly (readonly [user: string, index: number])[]): void {
  const seen = new Set<number>();
  const newest = new Map<string, number>();
  for (const [user, index] of found) {
    if (seen.has(index)) continue;
    seen.add(index);
    assert.ok(index > (newest.get(user) ?? -1), `${index} of ${user} comes after ${newest.get(user)}`);
    newest.set(user, index);
  }
}

function startWriter(
  t: TestContext,
  settings: KafkaSettings,
  { directory, from, to }: { directory: string; from: number; to: number },
) {
  const writer = spawn(process.execPath, [WRITER, directory, String(from), String(to)], {
    env: {
      ...process.env,
      KAFKA_BOOTSTRAP_SERVERS: settings.bootstrapServers.join(','),
      KAFKA_TOPIC_PREFIX: settings.topicPrefix,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(writer, 'close');
  const kill = async () => {
    writer.kill('SIGKILL');
    await closed;
  };
  undoAtEnd(t, kill);
  let output = '';
  writer.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
  });
  const lines = () => output.split('\n').slice(0, -1);
  return {
    kill,
    acknowledged: () =>
      lines()
        .filter((line) => /^\d+$/.test(line))
        .map(Number),
    says: async (line: string) => {
      const untilMs = performance.now() + 30_000;
      while (!lines().includes(line)) {
        assert.ok(performance.now() < untilMs && writer.exitCode === null, `no ${line} from the writer`);
        await delay(20);
      }
    },
  };
}
