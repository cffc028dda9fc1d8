/**
 * The same transactions by HTTP to two processes and by Kafka to two others, at the same time: each is decided once and
 * counted once, and whoever asks is given the same bytes.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { sharedKafka, sharedRedis } from '../../src/adapters/local-servers/servers.fixture.ts';
import { answerJson } from '../../src/core/decision/answer.ts';
import type { Decision } from '../../src/core/decision/decision.ts';
import { RECORD_BYTES } from '../../src/core/features/record.ts';
import { HttpClient } from '../http-client.ts';
import { later, transactionMessage } from '../http-messages.ts';
import type { Service } from '../start-service.ts';
import {
  askAll,
  decisionsInLog,
  eventually,
  type Fleet,
  historiesIn,
  type Message,
  metricOf,
  openFleet,
  PATIENT,
  sendTransactions,
  startProcess,
} from './fleet.ts';

const TRANSACTIONS = 2_400;
const USERS = 40;
const TERMINALS = 30;
const CALLERS = 6;
/** As many as are sent in one request; odd, so that the callers' batches never match. */
const BATCHES = [1, 7, 23, 61];

test('a transaction that comes by every door is decided once and counted once', async (t) => {
  const fleet = await startFleet(t);
  if (!fleet) return;
  const serves = [await startProcess(t, fleet, 'serve'), await startProcess(t, fleet, 'serve')];
  const streams = [await startProcess(t, fleet, 'stream'), await startProcess(t, fleet, 'stream')];
  const messages = Array.from({ length: TRANSACTIONS }, (_, index) => messageOf(index));

  const [one, other] = await Promise.all([
    askInOrder(serves[0], messages),
    askInOrder(serves[1], messages),
    sendTransactions(fleet.settings, messages),
  ]);
  await eventually(async () => {
    const lags = await Promise.all(streams.map((stream) => streamed(stream)));
    assert.ok(lags.reduce((sum, count) => sum + count, 0) >= TRANSACTIONS, `streams are at ${lags}`);
  });

  const inLog = await decisionsInLog(fleet.settings);
  assert.equal(inLog.size, TRANSACTIONS);
  const inEffect: Decision[] = [];
  for (const { transaction_id: id } of messages) {
    const [first, ...repeats] = inLog.get(id)!;
    const answer = answerJson(first);
    assert.equal(one.get(id), answer);
    assert.equal(other.get(id), answer);
    for (const repeat of repeats) assert.deepEqual(repeat, first, `two decisions of ${id}`);
    assert.deepEqual(first.degraded, []);
    inEffect.push(first);
  }
  assertDense(inEffect, ({ transaction }) => transaction.userId, 'userPosition');
  assertDense(inEffect, ({ transaction }) => transaction.terminalId!, 'terminalPosition');
  await assertCountedOnce(fleet, messages);
  const shares = await Promise.all([...serves, ...streams].map(decided));
  t.diagnostic(
    `decided by each process: ${shares}; written again: ${[...inLog.values()].flat().length - TRANSACTIONS}`,
  );
  // Whoever finds a claim hands it on: a process counts what it made and was not first with, too, so only a bound holds.
  assert.ok(shares.filter((count) => count > 0).length >= 2, 'the doors have raced');
});

async function startFleet(t: TestContext): Promise<Fleet | undefined> {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  return kafka && openFleet({ redis, kafka }, PATIENT);
}

/** Seconds apart, so that nothing is folded and every record can be counted. */
function messageOf(index: number): Message {
  return transactionMessage(`cross-${index}`, {
    user_id: `u-${index % USERS}`,
    terminal_id: `m-${(index * 7) % TERMINALS}`,
    amount: 1 + (index % 90),
    timestamp: later(index),
  });
}

/** Each user's transactions in their order: callers share the users out. @returns the bytes answered, by id */
async function askInOrder(
  service: Service,
  messages: readonly Message[],
): Promise<ReadonlyMap<string, string>> {
  using client = new HttpClient(service.url, CALLERS);
  const answers = new Map<string, string>();
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    const own = messages.filter(({ user_id }) => Number(user_id.slice(2)) % CALLERS === caller);
    for (let from = 0, batch = caller; from < own.length; batch++) {
      const next = own.slice(from, from + BATCHES[batch % BATCHES.length]);
      const answered = await askAll(client, next);
      next.forEach(({ transaction_id: id }, index) => {
        answers.set(id, answered[index]);
      });
      from += next.length;
    }
  });
  await Promise.all(callers);
  return answers;
}

/** What a process made, and what it found made. */
async function streamed(stream: Service): Promise<number> {
  return (await decided(stream)) + (await metricOf(stream, 'fraud_repeats_total'));
}

function decided(service: Service): Promise<number> {
  return metricOf(service, 'predictions_total');
}

function assertDense(
  decisions: readonly Decision[],
  entityOf: (decision: Decision) => string,
  place: 'userPosition' | 'terminalPosition',
): void {
  for (const [entity, own] of Map.groupBy(decisions, entityOf)) {
    const positions = own.map((decision) => decision[place] ?? -1).sort((one, other) => one - other);
    assert.deepEqual(
      positions,
      Array.from(positions, (_, index) => index),
      `places in the history of ${entity}`,
    );
  }
}

async function assertCountedOnce({ redis }: Fleet, messages: readonly Message[]): Promise<void> {
  const histories = await historiesIn(redis);
  for (const kind of ['user', 'terminal'] as const) {
    for (const [id, own] of Map.groupBy(messages, (message) => message[`${kind}_id`])) {
      const bytes = histories.get(`${kind}:${id}`);
      assert.equal((bytes?.length ?? 0) / RECORD_BYTES, own.length, `records of ${kind} ${id}`);
    }
  }
}
