import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { LogPosition } from './event-log.ts';

export type IndexedDecision = {
  readonly decision: Decision;
  /** What became known since; undefined if nothing did. */
  readonly label: { readonly isFraud: boolean; readonly knownAtMs: number } | undefined;
};

/** Finds decisions by transaction id: a view of the log. */
export interface DecisionIndex {
  /** What is known under each id, in the order given. */
  find(ids: readonly TransactionId[]): Promise<readonly (IndexedDecision | undefined)[]>;
  /** Takes decisions that the log has taken, at these positions. */
  addDecisions(decisions: readonly Decision[], positions: readonly LogPosition[]): void;
  addLabels(labels: readonly KnownLabel[]): void;
}
