import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitrarySteps, streamOf } from './arbitrary-stream.ts';
import { EntityHistory } from './entity-history.ts';
import { REACH_MS } from './feature-vector.ts';
import { HistoryCollector } from './history-collector.ts';

test('whatever order records come in, and however often, the history is the one that recorded them', () => {
  const property = fc.property(
    arbitrarySteps,
    fc.array(fc.nat(), { minLength: 50, maxLength: 50 }),
    (steps, keys) => {
      const history = new EntityHistory(REACH_MS.user);
      const collected: ((collector: HistoryCollector) => void)[] = [];
      let position = 0;
      const seen = new Set<string>();
      for (const event of streamOf(steps)) {
        if (event.kind === 'transaction') {
          const { transaction } = event;
          if (seen.has(transaction.transactionId)) continue;
          seen.add(transaction.transactionId);
          const { position: at } = history.recordTransaction(transaction, transaction.terminalId);
          assert.equal(at, position++);
          collected.push((into) => into.addTransaction(at, transaction, transaction.terminalId));
        } else if (event.kind === 'label' && history.recordLabel(event.label)) {
          const at = position++;
          collected.push((into) => into.addLabel(at, event.label));
        }
      }
      const collector = new HistoryCollector();
      const keyed = [...collected, ...collected.filter((_add, index) => index % 3 === 0)].map(
        (add, index) => ({
          add,
          key: keys[index % keys.length],
        }),
      );
      for (const { add } of keyed.sort((one, other) => one.key - other.key)) add(collector);
      assert.deepEqual(collector.toBytes(REACH_MS.user), new Uint8Array(history.toBytes()));
    },
  );
  fc.assert(property, { numRuns: 100 });
});

test('positions beyond 2^32 keep their order', () => {
  const collector = new HistoryCollector();
  const [step] = fc.sample(arbitrarySteps, { numRuns: 1, seed: 7 });
  const transactions = streamOf(step).flatMap((event) =>
    event.kind === 'transaction' ? [event.transaction] : [],
  );
  const [one, other] = [...new Map(transactions.map((each) => [each.transactionId, each])).values()];
  collector.addTransaction(2 ** 33, other, undefined);
  collector.addTransaction(5, one, undefined);
  const history = new EntityHistory(REACH_MS.user);
  history.recordTransaction(one, undefined);
  history.recordTransaction(other, undefined);
  assert.deepEqual(collector.toBytes(REACH_MS.user), new Uint8Array(history.toBytes()));
});
