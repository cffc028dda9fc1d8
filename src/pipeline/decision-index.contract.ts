/** What every DecisionIndex must do, run against each adapter on its real store. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import type { Decision } from '../core/decision/decision.ts';
import { labelOf } from '../core/features/payment-of.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { DecisionIndex } from './decision-index.ts';
import { sampleDecision } from './event-log.contract.ts';

export type OpenedDecisionIndex = AsyncDisposable & {
  readonly decisionIndex: DecisionIndex;
  /** Claims decisions and logs them, as the lane does; resolves when they are durable. */
  readonly log: (decisions: readonly Decision[]) => Promise<void>;
  /** Logs labels, as the lane does; resolves when they are durable and the index was told. */
  readonly logLabels: (labels: readonly KnownLabel[]) => Promise<void>;
};
/** Opens the same index, with what it stands on, again each time; the one before has been disposed of. */
export type OpenDecisionIndex = () => Promise<OpenedDecisionIndex>;

const KNOWN_AT_MS = 1_790_000_000_000;

/** `create` makes the place for a new, empty index, and registers its removal with the test. */
export function testDecisionIndex(
  name: string,
  create: (t: TestContext) => Promise<OpenDecisionIndex>,
): void {
  const withIndex = (title: string, body: (opened: OpenedDecisionIndex) => Promise<void>) =>
    test(title, async (t) => {
      await using opened = await (await create(t))();
      await body(opened);
    });

  describe(`${name} is a decision index`, () => {
    withIndex('what was never decided is not found', async ({ decisionIndex }) => {
      assert.deepEqual(await decisionIndex.find([idOf(1), idOf(2)]), [undefined, undefined]);
      assert.deepEqual(await decisionIndex.find([]), []);
    });
    withIndex('decisions are found in the order asked for, as often as asked for', async (opened) => {
      await decided(opened, 1, 2, 3);
      const found = await opened.decisionIndex.find([3, 9, 1, 3].map(idOf));
      assert.deepEqual(
        found.map((indexed) => indexed?.decision),
        [decisionOf(3), undefined, decisionOf(1), decisionOf(3)],
      );
      assert.equal(found[0]?.label, undefined);
    });
    withIndex('the newest label counts, and leaves the decision as it is', async (opened) => {
      await decided(opened, 1, 2);
      await labelled(opened, 1, true);
      assert.deepEqual((await found(opened, 1))?.label, { isFraud: true, knownAtMs: KNOWN_AT_MS });
      await labelled(opened, 1, false);
      assert.deepEqual(await found(opened, 1), {
        decision: decisionOf(1),
        label: { isFraud: false, knownAtMs: KNOWN_AT_MS },
        isLogged: true,
      });
      assert.equal((await found(opened, 2))?.label, undefined);
    });
    withIndex('a label of a decision that is still on its way is found with it', async (opened) => {
      const durable = opened.log([decisionOf(1)]);
      await labelled(opened, 1, true);
      await durable;
      assert.equal((await found(opened, 1))?.label?.isFraud, true);
    });
    withIndex('what is durable is found, and known to be logged', async (opened) => {
      await opened.log([decisionOf(1)]);
      const indexed = await found(opened, 1);
      assert.deepEqual(indexed?.decision, decisionOf(1));
      assert.equal(indexed?.isLogged, true);
    });
    test('opened again it finds what it found', async (t) => findsAgain(await create(t)));
  });
}

async function findsAgain(open: OpenDecisionIndex): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await using opened = await open();
    for (let earlier = 0; earlier < 500 * round; earlier++) {
      const { decision, label } = (await found(opened, earlier))!;
      assert.deepEqual(decision, decisionOf(earlier));
      assert.equal(label?.isFraud, earlier % 5 === 0 ? true : undefined);
    }
    for (let first = 500 * round; first < 500 * (round + 1); first += 5) {
      await decided(opened, first, first + 1, first + 2, first + 3, first + 4);
      await labelled(opened, first, true);
    }
  }
}

async function decided(opened: OpenedDecisionIndex, ...indices: readonly number[]): Promise<void> {
  await opened.log(indices.map(decisionOf));
}

async function labelled(opened: OpenedDecisionIndex, index: number, isFraud: boolean): Promise<void> {
  const { transaction } = decisionOf(index);
  const label = labelOf(transaction, { isFraud, previousIsFraud: !isFraud, knownAtMs: KNOWN_AT_MS });
  await opened.logLabels([label]);
}

async function found(opened: OpenedDecisionIndex, index: number) {
  const [indexed] = await opened.decisionIndex.find([idOf(index)]);
  return indexed;
}

function decisionOf(index: number): Decision {
  const event = sampleDecision(index);
  assert.ok(event.kind === 'decision');
  return event.decision;
}

function idOf(index: number): TransactionId {
  return decisionOf(index).transaction.transactionId;
}
