/**
 * What every EventLog must do, and what a PositionedEventLog must do besides, run against each adapter on its real store.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import type { TerminalId, TransactionId, UserId } from '../core/transaction/ids.ts';
import type { EventLog, LogEvent, LoggedEvent, PositionedEventLog } from './event-log.ts';
import { LogUnavailableError } from './event-log.ts';

export type LogUnderTest<Log extends EventLog> = {
  readonly log: Log;
  /** Every durable event; in order, or at least in each user's order where the log has no other. */
  readonly readAll: () => Promise<readonly LogEvent[]>;
};

/** Opens the same log again each time it is called; the one before has been disposed of. */
export type OpenLog<Log extends EventLog = EventLog> = () => Promise<LogUnderTest<Log>>;

/** Makes the place for a new, empty log, and registers its removal with the test; undefined where it has skipped it. */
export type CreateLog<Log extends EventLog = EventLog> = (
  t: TestContext,
) => Promise<OpenLog<Log> | undefined>;

export function testEventLog(name: string, create: CreateLog): void {
  const withOpener = (title: string, body: (open: OpenLog) => Promise<void>) =>
    test(title, async (t) => {
      const open = await create(t);
      if (open) await body(open);
    });
  const withLog = (title: string, body: (it: LogUnderTest<EventLog>) => Promise<void>) =>
    withOpener(title, async (open) => {
      const opened = await open();
      await using _log = opened.log;
      await body(opened);
    });

  describe(`${name} is an event log`, () => {
    withLog('a new log holds nothing', async ({ readAll }) => assert.deepEqual(await readAll(), []));
    withLog('what was appended is read back, every kind, once', readsAllBack);
    withLog('many calls at once keep each user’s order', keepsUsersOrder);
    withLog('positions ascend, and the end is behind them', async ({ log }) => {
      const first = log.append([sampleDecision(1), sampleDecision(2)]);
      const second = log.append([sampleDecision(3)]);
      const [one, two, three] = [...first.positions, ...second.positions];
      assert.ok(one < two && two < first.end && first.end <= three && three < second.end);
      await Promise.all([first.durable, second.durable]);
    });
    withLog('an append of nothing is durable', async ({ log }) => {
      await log.append([]).durable;
      void log.append([sampleDecision(1)]);
      await log.append([]).durable;
    });
    withOpener('opened again it holds the same and goes on', goesOnLater);
    withOpener('disposal writes what waits', flushesAll);
    withOpener('a closed log takes nothing', async (open) => {
      const { log } = await open();
      await log[Symbol.asyncDispose]();
      assert.throws(() => log.append([sampleDecision(1)]), LogUnavailableError);
    });
  });
}

async function readsAllBack({ log, readAll }: LogUnderTest<EventLog>): Promise<void> {
  const events = [
    ...[sampleControl(1), sampleDecision(1), sampleLabel(1), samplePlacement(2)],
    ...[sampleDecision(2), sampleControl(2), sampleLabel(2)],
  ];
  await log.append(events).durable;
  assertSameEvents(await readAll(), events);
}

async function keepsUsersOrder({ log, readAll }: LogUnderTest<EventLog>): Promise<void> {
  const durable: Promise<void>[] = [];
  for (let call = 0; call < 300; call++) {
    durable.push(log.append([sampleDecision(2 * call), sampleDecision(2 * call + 1)]).durable);
    if (call % 17 === 0) await durable[call];
  }
  await Promise.all(durable);
  assertSameEvents(
    await readAll(),
    Array.from({ length: 600 }, (_, index) => sampleDecision(index)),
  );
}

async function goesOnLater(open: OpenLog): Promise<void> {
  const events: LogEvent[] = [];
  for (let index = 0; index < 3; index++) {
    const { log, readAll } = await open();
    await using _log = log;
    assertSameEvents(await readAll(), events);
    events.push(sampleDecision(index));
    await log.append(events.slice(-1)).durable;
  }
  const { log, readAll } = await open();
  await using _log = log;
  assertSameEvents(await readAll(), events);
}

async function flushesAll(open: OpenLog): Promise<void> {
  const { log } = await open();
  const { durable } = log.append([sampleDecision(1)]);
  await log[Symbol.asyncDispose]();
  await durable;
  const { log: again, readAll } = await open();
  await using _log = again;
  assertSameEvents(await readAll(), [sampleDecision(1)]);
}

/** The same events, each as often, and those of one user and kind in the same order. */
export function assertSameEvents(found: readonly LogEvent[], expected: readonly LogEvent[]): void {
  assert.deepEqual(byUserAndKind(found), byUserAndKind(expected));
}

function byUserAndKind(events: readonly LogEvent[]): ReadonlyMap<string, readonly LogEvent[]> {
  return Map.groupBy(events, (event) => `${event.kind} ${userOf(event)}`);
}

function userOf(event: LogEvent): string {
  switch (event.kind) {
    case 'decision':
      return event.decision.transaction.userId;
    case 'label':
      return event.label.userId;
    case 'placement':
      return event.placement.userId;
    case 'control':
      return '';
    default:
      throw new TypeError(`unknown event ${event satisfies never}`);
  }
}

/** Opens the same log again each time it is called; the one before has been disposed of. */
export type OpenPositionedLog = () => Promise<PositionedEventLog>;

/** `create` makes the place for a new, empty log, and registers its removal with the test. */
export function testPositionedEventLog(
  name: string,
  create: (t: TestContext) => Promise<OpenPositionedLog>,
): void {
  testEventLog(name, async (t) => {
    const open = await create(t);
    return async () => {
      const log = await open();
      return { log, readAll: async () => (await eventsOf(log)).map(({ event }) => event) };
    };
  });

  const withLog = (
    title: string,
    body: (log: PositionedEventLog, open: OpenPositionedLog) => Promise<void>,
  ) =>
    test(title, async (t) => {
      const open = await create(t);
      await using log = await open();
      await body(log, open);
    });

  describe(`${name} is an event log with places`, () => {
    withLog('a new log has not moved', async (log) => assert.equal(log.end, log.durableEnd));
    withLog('what was appended is read back in order, every kind, where it was said to stand', readsBack);
    withLog('a position is read alone, and only where an event stands', readsAt);
    withLog('reading starts at any position and goes on from nextPosition', readsFromMiddle);
    withLog('many calls at once become durable in the order they were made', keepsOrder);
    withLog('the durable end moves when the promise resolves, not before', movesDurableEnd);
    withLog('what was appended while reading is read too', readsUpToTheEndOfThen);
    test('opened again it goes on where it ended', async (t) => goesOn(await create(t)));
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

async function goesOn(open: OpenPositionedLog): Promise<void> {
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

export function samplePlacement(index: number): LogEvent {
  return {
    kind: 'placement',
    placement: {
      transactionId: `transaction-${index}` as TransactionId,
      userId: `user-${index % 7}` as UserId,
      terminalId: index % 3 === 0 ? undefined : (`terminal-${index % 5}` as TerminalId),
      userPosition: index,
      terminalPosition: index % 3 === 0 ? undefined : 3 * index,
    },
  };
}

/** Version 3 is that of the sample decisions. */
export function sampleControl(version: number): LogEvent {
  const thresholds = { fraud: 0.5, review: 0.5, decline: 0.9 };
  const arm = { modelVersion: 'v1', modelSha256: '0'.repeat(64), percent: 50, thresholds };
  const features = ['amount', 'hour_of_day', 'total_amount', 'avg_amount'];
  const author = 'Zoë';
  return {
    kind: 'control',
    control: { version, salt: 'first', arms: { A: arm, B: arm }, features, author, reason: 'start' },
  };
}
