import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Decision } from '../core/decision/decision.ts';
import { arbitrarySteps, streamOf } from '../core/features/arbitrary-stream.ts';
import { EntityHistory } from '../core/features/entity-history.ts';
import { REACH_MS } from '../core/features/feature-vector.ts';
import { sampleControl, sampleDecision } from './event-log.contract.ts';
import type { LogEvent } from './event-log.ts';
import { orderByPositions } from './log-order.ts';

/** What a fleet would log of a stream: decisions and labels with the positions that their histories gave them. */
function loggedByFleet(
  steps: Parameters<typeof streamOf>[0],
  isUnplaced: (index: number) => boolean,
): LogEvent[] {
  const histories = new Map<string, EntityHistory>();
  const of = (key: string, reachMs: number) => {
    const history = histories.get(key) ?? new EntityHistory(reachMs);
    histories.set(key, history);
    return history;
  };
  const sizes = new Map<string, number>();
  const grow = (key: string) => {
    const size = sizes.get(key) ?? 0;
    sizes.set(key, size + 1);
    return size;
  };
  const seen = new Set<string>();
  const events: LogEvent[] = [sampleControl(1)];
  const late: LogEvent[] = [];
  for (const event of streamOf(steps)) {
    if (event.kind === 'transaction') {
      const { transaction } = event;
      const { transactionId, userId, terminalId } = transaction;
      if (seen.has(transactionId)) continue;
      seen.add(transactionId);
      const userPosition = of(`u ${userId}`, REACH_MS.user).recordTransaction(
        transaction,
        terminalId,
      ).position;
      grow(`u ${userId}`);
      const terminalPosition =
        terminalId &&
        of(`t ${terminalId}`, REACH_MS.terminal).recordTransaction(transaction, userId).position;
      if (terminalId) grow(`t ${terminalId}`);
      const placed = { userPosition, terminalPosition: terminalPosition || undefined };
      if (terminalPosition === 0) placed.terminalPosition = 0;
      const sample = sampleDecision(1) as { kind: 'decision'; decision: Decision };
      const isLate = isUnplaced(seen.size);
      const positions = isLate ? { userPosition: undefined, terminalPosition: undefined } : placed;
      events.push({ kind: 'decision', decision: { ...sample.decision, transaction, ...positions } });
      if (isLate)
        late.push({ kind: 'placement', placement: { transactionId, userId, terminalId, ...placed } });
    } else if (event.kind === 'label') {
      const { label } = event;
      const { userId, terminalId } = label;
      const isInUser = of(`u ${userId}`, REACH_MS.user).recordLabel(label);
      const isInTerminal = terminalId && of(`t ${terminalId}`, REACH_MS.terminal).recordLabel(label);
      if (!isInUser) continue;
      const userPosition = grow(`u ${userId}`);
      const terminalPosition = isInTerminal ? grow(`t ${terminalId}`) : undefined;
      events.push({ kind: 'label', label: { ...label, userPosition, terminalPosition } });
    }
  }
  return [...events, ...late];
}

test('whatever order a log is read in, each history gets its records in the order of their positions', () => {
  const property = fc.property(arbitrarySteps, fc.integer({ min: 1, max: 2 ** 31 - 2 }), (steps, seed) => {
    const next = randomFrom(seed);
    const logged = loggedByFleet(steps, () => next() % 5 === 0);
    const shuffled = logged
      .map((event) => ({ event, key: event.kind === 'control' ? -1 : next() }))
      .sort((one, other) => one.key - other.key)
      .map(({ event }) => event);
    const repeated = shuffled
      .filter((event, index) => event.kind === 'decision' && index % 4 === 0)
      .map((event) => ({ ...event }));
    const ordered = orderByPositions([...shuffled, ...repeated]);
    assert.equal(ordered.length, logged.filter(({ kind }) => kind !== 'placement').length);
    const placements = new Map(
      logged.flatMap((event) =>
        event.kind === 'placement' ? [[event.placement.transactionId, event.placement]] : [],
      ),
    );
    const reached = new Map<string, number>();
    const pass = (key: string, position: number | undefined) => {
      if (position === undefined) return;
      assert.ok(position > (reached.get(key) ?? -1), `${key} at ${position}`);
      reached.set(key, position);
    };
    for (const event of ordered) {
      if (event.kind === 'label') {
        pass(`u ${event.label.userId}`, event.label.userPosition);
        pass(`t ${event.label.terminalId}`, event.label.terminalPosition);
      }
      if (event.kind !== 'decision') continue;
      const { transactionId, userId, terminalId } = event.decision.transaction;
      const place = placements.get(transactionId) ?? event.decision;
      pass(`u ${userId}`, place.userPosition);
      pass(`t ${terminalId}`, place.terminalPosition);
    }
  });
  fc.assert(property, { numRuns: 100 });
});

/** Park and Miller's minimal standard generator. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state;
  };
}
