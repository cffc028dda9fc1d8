import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel, Label } from '../core/transaction/label.ts';
import { isSameTransaction } from '../core/transaction/transaction.ts';
import type { Arrival } from './decide.ts';

/** What became of a submitted transaction. */
export type Verdict =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly isRepeat: boolean }
  /** Another transaction was decided under this id. */
  | { readonly kind: 'conflict' };

/** What became of a submitted label. */
export type Learned = 'recorded' | 'known-already' | 'unknown-transaction' | 'before-transaction';

/** A decision that is not durable yet, with what was said of it since, as an index entry has it. */
export type OnItsWay = {
  readonly decision: Decision;
  label: Pick<KnownLabel, 'isFraud' | 'knownAtMs'> | undefined;
};

/** A decision was made for this very arrival if it holds the arrival's own transaction; all others are repeats. */
export function toVerdict(
  { transaction }: Arrival,
  decisionById: ReadonlyMap<TransactionId, Decision>,
): Verdict {
  const decision = decisionById.get(transaction.transactionId)!;
  const isRepeat = decision.transaction !== transaction;
  if (isRepeat && !isSameTransaction(decision.transaction, transaction)) return { kind: 'conflict' };
  return { kind: 'decided', decision, isRepeat };
}

/**
 * Joins each label to its transaction and to what was believed before.
 * @param found the decisions that the labels speak of, in the order of the labels
 */
export function joinLabels(
  labels: readonly Label[],
  found: readonly (OnItsWay | undefined)[],
  nowMs: number,
): { readonly learned: readonly Learned[]; readonly known: readonly KnownLabel[] } {
  const learned: Learned[] = [];
  const known: KnownLabel[] = [];
  const believed = new Map<TransactionId, KnownLabel>();
  for (let index = 0; index < labels.length; index++) {
    const { transactionId } = labels[index];
    const previous = believed.get(transactionId) ?? found[index]?.label;
    const joined = joinLabel(labels[index], found[index]?.decision, previous, nowMs);
    learned.push(typeof joined === 'string' ? joined : 'recorded');
    if (typeof joined === 'string') continue;
    known.push(joined);
    believed.set(transactionId, joined);
  }
  return { learned, known };
}

function joinLabel(
  label: Label,
  decision: Decision | undefined,
  previous: OnItsWay['label'],
  nowMs: number,
): KnownLabel | Learned {
  if (!decision) return 'unknown-transaction';
  const { userId, terminalId, timestampMs } = decision.transaction;
  const knownAtMs = label.knownAtMs ?? nowMs;
  if (knownAtMs < timestampMs) return 'before-transaction';
  if (previous?.isFraud === label.isFraud) return 'known-already';
  // Said before what is believed now was known: it comes late, or once more.
  if (previous && label.knownAtMs !== undefined && knownAtMs < previous.knownAtMs) return 'known-already';
  return {
    transactionId: label.transactionId,
    isFraud: label.isFraud,
    previousIsFraud: previous?.isFraud ?? false,
    knownAtMs: Math.max(knownAtMs, previous?.knownAtMs ?? 0),
    userId,
    terminalId,
    transactionTimestampMs: timestampMs,
    userPosition: undefined,
    terminalPosition: undefined,
  };
}
