import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel } from '../core/transaction/label.ts';

export type IndexedDecision = {
  readonly decision: Decision;
  /** What became known since; undefined if nothing did. */
  readonly label: { readonly isFraud: boolean; readonly knownAtMs: number } | undefined;
  /** Known to be durable in the log. One that is not was claimed by a process that may have ended before it logged it. */
  readonly isLogged: boolean;
};

/**
 * Finds decisions by transaction id: a view of the log, and where several processes decide, the place where they agree on
 * one decision an id. Methods reject with StoreUnavailableError where a store cannot be reached in time.
 */
export interface DecisionIndex {
  /** What is known under each id, in the order given. */
  find(ids: readonly TransactionId[]): Promise<readonly (IndexedDecision | undefined)[]>;
  /**
   * Puts each decision under its id unless another stands there, before it is logged.
   * @returns the decision that stands under each id now, in the order given
   */
  claim(decisions: readonly Decision[]): Promise<readonly Decision[]>;
  /**
   * Takes note that decisions are durable in the log, of those that stand under their ids: others would take their place.
   * Failing to is harmless: they may be logged once more.
   */
  confirm(decisions: readonly Decision[]): void;
  /** Takes labels that are durable in the log. */
  addLabels(labels: readonly KnownLabel[]): Promise<void>;
}
