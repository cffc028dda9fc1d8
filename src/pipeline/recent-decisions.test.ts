import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleDecision } from './event-log.contract.ts';
import { RecentDecisions } from './recent-decisions.ts';

test('the newest decisions are found, and older ones make room for them', () => {
  const recent = new RecentDecisions(3);
  const decisions = [1, 2, 3, 4, 5].flatMap((number) => {
    const event = sampleDecision(number);
    return event.kind === 'decision' ? [event.decision] : [];
  });
  const found = () => decisions.map(({ transaction }) => recent.find(transaction.transactionId));
  recent.add(decisions.slice(0, 2));
  assert.deepEqual(found(), [decisions[0], decisions[1], undefined, undefined, undefined]);
  recent.add(decisions.slice(2));
  assert.deepEqual(found(), [undefined, undefined, ...decisions.slice(2)]);
});
