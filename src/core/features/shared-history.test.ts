import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { arbitrarySteps, streamOf } from './arbitrary-stream.ts';
import { FEATURE_NAMES } from './catalogue.ts';
import { EntityHistory, type HistoryView } from './entity-history.ts';
import { FeatureVectorizer, REACH_MS } from './feature-vector.ts';
import { EXACT_RECORDS } from './fold.ts';
import { labelOf, paymentOf } from './payment-of.ts';
import { encodeLabel, encodeTransaction, RECORD_BYTES, RECORD_WORDS } from './record.ts';
import { SharedHistory } from './shared-history.ts';

type Item = Transaction | KnownLabel;

const NOON = Date.UTC(2024, 5, 12, 12);
/** Views of records that are no further behind the end are the same for everybody. */
const SAME_BEHIND = 64;
const vectorizer = new FeatureVectorizer(FEATURE_NAMES);

const arbitraryRace = fc.record({
  steps: arbitrarySteps,
  /** What is appended once more: after the item `at`, the one that is `lag` items behind it. */
  repeats: fc.array(fc.record({ at: fc.nat(3_000), lag: fc.nat(700), isSoon: fc.boolean() }), {
    maxLength: 300,
  }),
  /** A fold begins after each so many records, and is put in its place so many records later. */
  foldEvery: fc.integer({ min: 1, max: 300 }),
  foldTakes: fc.nat(80),
});

describe('a history that several processes append to', () => {
  test('is the one without repeats, to everybody and whenever it is folded: bytes, positions, features', () => {
    fc.assert(fc.property(arbitraryRace, isAsWithoutRepeats), { numRuns: 150 });
  });

  test('is folded as of a while ago: a leap in time since then leaves no trace in what came before it', () => {
    const payments = Array.from({ length: 700 }, (_, hour) =>
      paymentOf({ timestampMs: NOON + hour * 3_600_000 }),
    );
    const leap = paymentOf({ timestampMs: NOON + 100 * 86_400_000 });
    const read = new SharedHistory(REACH_MS.user, bytesOf([...payments, leap]));
    const folded = new SharedHistory(REACH_MS.user, read.folded()!);
    const last = payments.at(-1)!;
    const [before, after] = [read, folded].map((history) => history.viewOf(recordOf(last), 0)!);
    assert.deepEqual(featuresOf(last, after), featuresOf(last, before));
  });

  test('of nothing but repeats is folded to what it is', () => {
    const payments = [1, 2, 3].map((minute) => paymentOf({ timestampMs: NOON + minute * 60_000 }));
    const raw = Array.from({ length: 200 }, (_, index) => payments[index % 3]);
    const folded = new SharedHistory(REACH_MS.user, bytesOf(raw)).folded();
    assert.deepEqual(Buffer.from(folded!), bytesOf(payments));
  });

  test('is not folded where that would save little', () => {
    const payments = Array.from({ length: EXACT_RECORDS + 120 }, (_, index) =>
      paymentOf({ timestampMs: NOON + index * 60_000 }),
    );
    assert.equal(new SharedHistory(REACH_MS.user, bytesOf(payments)).folded(), undefined);
    const more = [...payments, ...payments.map(() => paymentOf({ timestampMs: NOON + 86_400_000 }))];
    const folded = new SharedHistory(REACH_MS.user, bytesOf(more)).folded()!;
    assert.ok(folded.length < (EXACT_RECORDS + SAME_BEHIND + 24) * RECORD_BYTES);
  });

  test('that is damaged is refused', () => {
    assert.throws(() => new SharedHistory(REACH_MS.user, Buffer.alloc(RECORD_BYTES + 1)), RangeError);
  });
});

describe('a label that several processes append', () => {
  const payment = paymentOf({});
  const fraud = labelOf(payment, { knownAtMs: NOON });
  const laterFraud = { ...fraud, knownAtMs: NOON + 5 };
  const retraction = { ...fraud, isFraud: false, previousIsFraud: true, knownAtMs: NOON + 9 };

  test('counts once, also where they say differently when they learnt it', () => {
    const shared = new SharedHistory(
      REACH_MS.user,
      bytesOf([payment, fraud, laterFraud, retraction, retraction]),
    );
    const positions = [fraud, laterFraud, retraction].map((label) =>
      shared.positionOfLabel(recordOf(label), 0),
    );
    assert.deepEqual(positions, [1, 1, 2]);
  });

  test('has no position where nothing says what it says', () => {
    const shared = new SharedHistory(REACH_MS.user, bytesOf([payment, fraud]));
    assert.equal(shared.positionOfLabel(recordOf(retraction), 0), undefined);
    assert.equal(shared.viewOf(recordOf(paymentOf({})), 0), undefined, 'nor has a payment that is not there');
  });
});

/** Appends, reads and folds as processes do that share a store, and compares with one process in memory. */
function isAsWithoutRepeats(race: typeof arbitraryRace extends fc.Arbitrary<infer Race> ? Race : never) {
  const memory = new EntityHistory(REACH_MS.user);
  const arrivals = new Map<string, { readonly features: Float32Array; readonly position: number }>();
  const raw = withRepeats(race);
  let stored: Buffer = Buffer.alloc(0);
  let fold: { readonly read: Buffer; readonly folded: Uint8Array; readonly at: number } | undefined;
  let count = 0;
  for (const [index, item] of raw.entries()) {
    stored = Buffer.concat([stored, bytesOf([item])]);
    if ('isFraud' in item) {
      count += Number(memory.recordLabel(item));
    } else {
      const expected = memory.recordTransaction(item, undefined);
      const view = new SharedHistory(REACH_MS.user, stored).viewOf(recordOf(item), 0)!;
      const features = featuresOf(item, view);
      assert.equal(view.position, expected.position);
      if (expected.position === count) {
        count++;
        assert.equal(view.previousNewestMs, expected.previousNewestMs);
        assert.deepEqual(features, featuresOf(item, expected));
        arrivals.set(item.transactionId, { features, position: view.position });
      } else if (count - view.position <= SAME_BEHIND) {
        assert.deepEqual(features, arrivals.get(item.transactionId)!.features);
      }
    }
    if (fold && index >= fold.at) {
      const isAsRead = stored.subarray(0, fold.read.length).equals(fold.read);
      if (isAsRead) stored = Buffer.concat([fold.folded, stored.subarray(fold.read.length)]);
      fold = undefined;
    }
    if (index % race.foldEvery === 0 && !fold) {
      const folded = new SharedHistory(REACH_MS.user, stored).folded();
      if (folded) fold = { read: stored, folded, at: index + race.foldTakes };
    }
  }
  const bytes = new SharedHistory(REACH_MS.user, stored).toBytes();
  assert.deepEqual(Buffer.from(bytes), Buffer.from(memory.toBytes()));
}

/** The stream's payments and labels as if of one user, with repeats; a repeated label may say another moment. */
function withRepeats({ steps, repeats }: { steps: Parameters<typeof streamOf>[0]; repeats: Repeat[] }) {
  const items = streamOf(steps).flatMap((event): Item[] => {
    if (event.kind === 'transaction') return [{ ...event.transaction, terminalId: undefined }];
    return event.kind === 'label' && event.label.isFraud !== event.label.previousIsFraud ? [event.label] : [];
  });
  const after = Map.groupBy(repeats, ({ at }) => at % Math.max(1, items.length));
  return items.flatMap((item, index) => {
    const again = (after.get(index) ?? []).map(({ lag, isSoon }) => {
      const repeated = items[Math.max(0, index - (isSoon ? lag % 8 : lag))];
      return 'isFraud' in repeated && lag % 2 === 1
        ? { ...repeated, knownAtMs: repeated.knownAtMs + 7 }
        : repeated;
    });
    return [item, ...again];
  });
}

type Repeat = { readonly at: number; readonly lag: number; readonly isSoon: boolean };

function featuresOf(transaction: Transaction, view: HistoryView): Float32Array {
  return vectorizer.compute(transaction, { user: view, terminal: undefined });
}

function bytesOf(items: readonly Item[]): Buffer {
  return Buffer.concat(items.map((item) => Buffer.from(recordOf(item).buffer)));
}

function recordOf(item: Item): Uint32Array {
  const record = new Uint32Array(RECORD_WORDS);
  if ('isFraud' in item) encodeLabel(item, record);
  else encodeTransaction(item, undefined, record);
  return record;
}
