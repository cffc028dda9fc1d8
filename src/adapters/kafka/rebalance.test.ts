/** A group of three processes, of which one is killed and one hangs until the group has given it up. About 40 s. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Admin } from '@platformatic/kafka';
import { undoAtEnd } from '../../../test/start-service.ts';
import { sharedKafka } from '../local-servers/servers.fixture.ts';
import { clientOptions } from './client-options.ts';
import { createTopics, sendTransactions, settingsFor } from './kafka.fixture.ts';
import type { KafkaSettings } from './kafka-settings.ts';

const PROGRAM = join(import.meta.dirname, 'consumer.fixture.ts');
const SENDS = 60;
const RECORDS_A_SEND = 200;
const HANDLED_WITHIN_MS = 90_000;

test('every record is handled and commits never go back, whatever happens to members', async (t) => {
  const kafka = await sharedKafka(t);
  if (!kafka) return;
  const settings = settingsFor(kafka.bootstrapServers);
  await createTopics(settings);
  const handled = new Set<string>();
  let handlings = 0;
  const start = () =>
    startMember(t, settings, (record) => {
      handled.add(record);
      handlings++;
    });
  const members = [start(), start(), start()];
  const commits = watchCommits(t, settings);
  const sending = send(settings);
  await isWithin(30_000, () => members.every(({ assigned }) => assigned.at(-1) === 4));
  await delay(1_000);
  members[0].process.kill('SIGKILL');
  members[1].process.kill('SIGSTOP');
  await isWithin(30_000, () => members[2].assigned.at(-1) === 12);
  members.push(start());
  members[1].process.kill('SIGCONT');
  await isWithin(30_000, () => [1, 2, 3].every((index) => members[index].assigned.at(-1) === 4));
  await sending;
  await isWithin(HANDLED_WITHIN_MS, () => handled.size === SENDS * RECORDS_A_SEND);
  await isWithin(10_000, () => commits.total() === SENDS * RECORDS_A_SEND);
  await commits.stop();
  t.diagnostic(
    `${handled.size} records, handled ${handlings} times; commits were looked at ${commits.looks()} times`,
  );
});

type Member = { readonly process: ChildProcess; readonly assigned: number[] };

function startMember(t: TestContext, settings: KafkaSettings, onHandled: (record: string) => void): Member {
  const child = spawn(process.execPath, [PROGRAM], {
    env: {
      ...process.env,
      KAFKA_BOOTSTRAP_SERVERS: settings.bootstrapServers.join(','),
      KAFKA_TOPIC_PREFIX: settings.topicPrefix,
      KAFKA_CONSUMER_GROUP: settings.consumerGroup,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  undoAtEnd(t, async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const assigned: number[] = [];
  let rest = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('assigned ')) assigned.push(Number(line.slice('assigned '.length)));
      else onHandled(line);
    }
  });
  return { process: child, assigned };
}

async function send(settings: KafkaSettings): Promise<void> {
  for (let index = 0; index < SENDS; index++) {
    await sendTransactions(settings, { from: index * RECORDS_A_SEND, count: RECORDS_A_SEND });
    await delay(200);
  }
}

/** Looks at the group's commits all the time, and fails when one goes back. */
function watchCommits(t: TestContext, settings: KafkaSettings) {
  const admin = new Admin(clientOptions(settings, 'fraud-test'));
  const committed = new Map<number, number>();
  let looks = 0;
  let isStopped = false;
  const watching = (async () => {
    while (!isStopped) {
      const groups = await admin
        .listConsumerGroupOffsets({ groups: [settings.consumerGroup] })
        .catch(() => []);
      for (const { partitionIndex, committedOffset } of groups[0]?.topics[0]?.partitions ?? []) {
        const before = committed.get(partitionIndex) ?? -1;
        assert.ok(
          Number(committedOffset) >= before,
          `partition ${partitionIndex} went from ${before} to ${committedOffset}`,
        );
        committed.set(partitionIndex, Number(committedOffset));
      }
      looks++;
      await delay(20);
    }
  })();
  const stop = async () => {
    isStopped = true;
    await watching;
  };
  undoAtEnd(t, async () => {
    isStopped = true;
    await watching.catch(() => {});
    await admin.close();
  });
  watching.catch(() => {}); // told by stop
  return {
    stop,
    looks: () => looks,
    total: () => [...committed.values()].reduce((sum, offset) => sum + Math.max(0, offset), 0),
  };
}

async function isWithin(milliseconds: number, condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + milliseconds;
  while (!condition()) {
    assert.ok(performance.now() < untilMs, `not so within ${milliseconds} ms`);
    await delay(50);
  }
}
