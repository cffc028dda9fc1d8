import type { HistoryViews } from '../core/features/feature-vector.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { Transaction } from '../core/transaction/transaction.ts';

/**
 * The histories of users and terminals: a view of the log, made again from it whenever it is lost. Methods reject with
 * StoreUnavailableError where a store cannot be reached in time; what they were asked to record may be there or not.
 */
export interface FeatureStore {
  /**
   * Records each transaction in the histories of its user and its terminal, in the order given, and returns these
   * histories as they were right after it. A transaction that is there already is not recorded again.
   */
  record(transactions: readonly Transaction[]): Promise<readonly HistoryViews[]>;
  /**
   * Records labels in the histories of their transactions' users and terminals.
   * @returns the labels, with their places in these histories where the order of the log does not tell them
   */
  recordLabels(labels: readonly KnownLabel[]): Promise<readonly KnownLabel[]>;
}
