/** What every PositionedEventLog must do, run against each adapter on its real store. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import type { TerminalId, TransactionId, UserId } from '../core/transaction/ids.ts';
import type { LogEvent, LoggedEvent, PositionedEventLog } from './event-log.ts';

/** Opens the same log again each time it is called; the one before has been disposed of. */
export type OpenLog = () => Promise<PositionedEventLog>;

/** `create` makes the place for a new, empty log, and registers its removal with the test. */
export function testEventLog(name: string, create: (t: TestContext) => Promise<OpenLog>): void {
  const withLog = (title: string, body: (log: PositionedEventLog, open: OpenLog) => Promise<void>) =>
    test(title, async (t) => {
      const open = await create(t);
      await using log = await open();
      await body(log, open);
    });

  describe(`${name} is an event log`, () => {
    withLog('a new log holds nothing', async (log) => {
      assert.equal(log.end, log.durableEnd);
      assert.deepEqual(await eventsOf(log), []);
    });
    withLog('what was appended is read back in order, every kind, where it was said to stand', readsBack);
    withLog('a position is read alone, and only where an event stands', readsAt);
    withLog('reading starts at any position and goes on from nextPosition', readsFromMiddle);
    withLog('many calls at once become durable in the order they were made', keepsOrder);
    withLog('the durable end moves when the promise resolves, not before', movesDurableEnd);
    withLog('an append of nothing is durable', async (log) => {
      await log.append([]).durable;
      void log.append([sampleDecision(1)]);
      await log.append([]).durable;
    });
    withLog('what was appended while reading is read too', readsUpToTheEndOfThen);
    test('opened again it holds the same and goes on where it ended', async (t) => goesOn(await create(t)));
    test('disposal writes what waits', async (t) => flushes(await create(t)));
  });
}

async function readsBack(log: PositionedEventLog): Promise<void> {
  const events = [sampleControl(1), sampleDecision(1), sampleLabel(1), sampleDecision(2)];
  const { positions, durable } = log.append(events);
  await durable;
  const logged = await eventsOf(log);
  assert.deepEqual(
    logged.map(({ event }) => event),
    events,
  );
  assert.deepEqual(
    logged.map(({ position }) => position),
    positions,
  );
  assert.equal(logged.at(-1)?.nextPosition, log.end);
  for (const [index, { nextPosition }] of logged.slice(0, -1).entries()) {
    assert.equal(nextPosition, logged[index + 1].position);
  }
}

async function readsAt(log: PositionedEventLog): Promise<void> {
  const events = [sampleDecision(1), sampleDecision(2), sampleLabel(3)];
  const { positions, durable } = log.append(events);
  await durable;
  for (const [index, position] of positions.entries()) {
    assert.deepEqual(await log.readAt(position), events[index]);
  }
  await assert.rejects(log.readAt(log.end));
}

async function readsFromMiddle(log: PositionedEventLog): Promise<void> {
  const events = Array.from({ length: 20 }, (_, index) => sampleDecision(index));
  await log.append(events).durable;
  const logged = await eventsOf(log);
  for (const [index, { nextPosition }] of logged.entries()) {
    assert.deepEqual(await eventsOf(log, nextPosition), logged.slice(index + 1));
  }
}

async function keepsOrder(log: PositionedEventLog): Promise<void> {
  const durable: Promise<void>[] = [];
  for (let call = 0; call < 200; call++) {
    durable.push(log.append([sampleDecision(2 * call), sampleDecision(2 * call + 1)]).durable);
    if (call % 17 === 0) await durable[0];
  }
  await Promise.all(durable);
  const expected = Array.from({ length: 400 }, (_, index) => sampleDecision(index));
  assert.deepEqual(
    (await eventsOf(log)).map(({ event }) => event),
    expected,
  );
}

async function movesDurableEnd(log: PositionedEventLog): Promise<void> {
  const before = log.durableEnd;
  const { positions, durable } = log.append([sampleDecision(1)]);
  assert.equal(log.durableEnd, before);
  assert.ok(log.end > positions[0]);
  const end = log.end;
  await durable;
  assert.equal(log.durableEnd, end);
}

async function readsUpToTheEndOfThen(log: PositionedEventLog): Promise<void> {
  await log.append([sampleDecision(0)]).durable;
  const seen: LogEvent[] = [];
  for await (const batch of log.read(0)) {
    seen.push(...batch.map(({ event }) => event));
    if (seen.length < 3) await log.append([sampleDecision(seen.length)]).durable;
  }
  assert.deepEqual(seen, [sampleDecision(0), sampleDecision(1), sampleDecision(2)]);
}

async function goesOn(open: OpenLog): Promise<void> {
  const positions: number[] = [];
  for (let index = 0; index < 3; index++) {
    await using log = await open();
    assert.deepEqual(
      (await eventsOf(log)).map(({ position }) => position),
      positions,
    );
    assert.equal(log.end, log.durableEnd);
    const appended = log.append([sampleDecision(index)]);
    await appended.durable;
    positions.push(...appended.positions);
  }
  await using log = await open();
  const expected = [sampleDecision(0), sampleDecision(1), sampleDecision(2)];
  assert.deepEqual(
    (await eventsOf(log)).map(({ event }) => event),
    expected,
  );
}

async function flushes(open: OpenLog): Promise<void> {
  const log = await open();
  const { durable } = log.append([sampleDecision(1)]);
  await log[Symbol.asyncDispose]();
  await durable;
  await using again = await open();
  assert.equal((await eventsOf(again)).length, 1);
}

/** Everything durable from a position on, in one array. */
export async function eventsOf(log: Pick<PositionedEventLog, 'read'>, from = 0): Promise<LoggedEvent[]> {
  const events: LoggedEvent[] = [];
  for await (const batch of log.read(from)) events.push(...batch);
  return events;
}

export function sampleDecision(index: number): LogEvent {
  return {
    kind: 'decision',
    decision: {
      transaction: {
        transactionId: `transaction-${index}` as TransactionId,
        userId: `user-${index % 7}` as UserId,
        terminalId: index % 3 === 0 ? undefined : (`terminal-${index % 5}` as TerminalId),
        amountUnits: 123_400 + index,
        currency: index % 2 === 0 ? undefined : 'EUR',
        merchantCategory: 'grocery',
        isInternational: index % 4 === 0,
        timestampMs: 1_780_000_000_000 + index,
        metadataJson: index % 5 === 0 ? '{"note":"Zürich ☃"}' : undefined,
      },
      userPosition: index,
      terminalPosition: index % 3 === 0 ? undefined : 2 * index,
      isOutOfOrder: index % 11 === 0,
      features: Float32Array.of(index, Number.NaN, 0.5, -0),
      controlVersion: 3,
      arm: index % 10 === 0 ? 'B' : 'A',
      modelVersion: 'v1',
      fraudProbability: Math.fround(1 / (index + 1)),
      isFraud: index === 0,
      outcome: index === 0 ? 'decline' : 'approve',
      reasonCodes: index === 0 ? ['amount', 'velocity'] : [],
      degraded: index % 6 === 0 ? ['features', 'score'] : [],
      decidedAtMs: 1_780_000_000_100 + index,
      latencyMs: 0.75,
    },
  };
}

export function sampleLabel(index: number): LogEvent {
  return {
    kind: 'label',
    label: {
      transactionId: `transaction-${index}` as TransactionId,
      isFraud: true,
      previousIsFraud: index % 2 === 0,
      knownAtMs: 1_790_000_000_000,
      userId: `user-${index % 7}` as UserId,
      terminalId: undefined,
      transactionTimestampMs: 1_780_000_000_000 + index,
      userPosition: index % 3 === 0 ? undefined : index,
      terminalPosition: undefined,
    },
  };
}

export function sampleControl(version: number): LogEvent {
  const thresholds = { fraud: 0.5, review: 0.5, decline: 0.9 };
  const arm = { modelVersion: 'v1', modelSha256: '0'.repeat(64), percent: 50, thresholds };
  const features = ['amount', 'hour_of_day'];
  const author = 'Zoë';
  return {
    kind: 'control',
    control: { version, salt: 'first', arms: { A: arm, B: arm }, features, author, reason: 'start' },
  };
}
