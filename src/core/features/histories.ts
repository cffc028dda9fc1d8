import type { TerminalId, UserId } from '../transaction/ids.ts';
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { EntityHistory } from './entity-history.ts';
import { type HistoryViews, REACH_MS } from './feature-vector.ts';

/** The histories that a transaction is recorded in. */
export type TransactionHistories = {
  readonly user: EntityHistory;
  readonly terminal: EntityHistory | undefined;
};

export function recordTransaction(transaction: Transaction, histories: TransactionHistories): HistoryViews {
  return {
    user: histories.user.recordTransaction(transaction, transaction.terminalId),
    terminal: histories.terminal?.recordTransaction(transaction, transaction.userId),
  };
}

/**
 * The histories of all entities, in memory: for passes over recorded data from their beginning, which keep nothing.
 * About 2 KB an entity.
 */
export class Histories {
  readonly #users = new Map<UserId, EntityHistory>();
  readonly #terminals = new Map<TerminalId, EntityHistory>();

  record(transaction: Transaction): HistoryViews {
    return recordTransaction(transaction, this.#of(transaction));
  }

  recordLabel(label: KnownLabel): void {
    const { user, terminal } = this.#of(label);
    user.recordLabel(label);
    terminal?.recordLabel(label);
  }

  #of({ userId, terminalId }: { readonly userId: UserId; readonly terminalId: TerminalId | undefined }) {
    return {
      user: getOrCreate(this.#users, userId, REACH_MS.user),
      terminal:
        terminalId === undefined ? undefined : getOrCreate(this.#terminals, terminalId, REACH_MS.terminal),
    };
  }
}

function getOrCreate<Id>(histories: Map<Id, EntityHistory>, id: Id, reachMs: number): EntityHistory {
  let history = histories.get(id);
  if (!history) {
    history = new EntityHistory(reachMs);
    histories.set(id, history);
  }
  return history;
}
