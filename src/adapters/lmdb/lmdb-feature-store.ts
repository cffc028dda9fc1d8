import { type HistoryViews, REACH_MS } from '../../core/features/feature-vector.ts';
import { recordTransaction } from '../../core/features/histories.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { LoggedEvent, LogPosition } from '../../pipeline/event-log.ts';
import type { FeatureStore } from '../../pipeline/feature-store.ts';
import { HistoryTable } from './history-table.ts';
import type { ViewEnvironment } from './view-environment.ts';

/** Stands for the position of an event that no history can reflect yet. */
const NOT_APPLIED = Number.POSITIVE_INFINITY;

/** Histories in LMDB. Changes are made in memory; `LmdbView` writes them down behind the log. */
export class LmdbFeatureStore implements FeatureStore {
  readonly users: HistoryTable;
  readonly terminals: HistoryTable;

  constructor(environment: ViewEnvironment, generationSize: number) {
    this.users = new HistoryTable(environment.users, REACH_MS.user, generationSize);
    this.terminals = new HistoryTable(environment.terminals, REACH_MS.terminal, generationSize);
  }

  async record(transactions: readonly Transaction[]): Promise<readonly HistoryViews[]> {
    const views: HistoryViews[] = [];
    for (const transaction of transactions) views.push(this.#record(transaction));
    return views;
  }

  async recordLabels(labels: readonly KnownLabel[]): Promise<readonly KnownLabel[]> {
    for (const label of labels) this.#recordLabel(label, NOT_APPLIED);
    return labels;
  }

  /** Applies an event of the log to each history that does not reflect it yet. */
  apply({ event, position }: LoggedEvent): void {
    if (event.kind === 'label') this.#recordLabel(event.label, position);
    if (event.kind !== 'decision') return;
    const { transaction } = event.decision;
    const user = this.users.get(transaction.userId);
    if (position >= user.appliedBefore) {
      user.history.recordTransaction(transaction, transaction.terminalId);
      this.users.changed(user);
    }
    if (transaction.terminalId === undefined) return;
    const terminal = this.terminals.get(transaction.terminalId);
    if (position < terminal.appliedBefore) return;
    terminal.history.recordTransaction(transaction, transaction.userId);
    this.terminals.changed(terminal);
  }

  clear(): void {
    this.users.clear();
    this.terminals.clear();
  }

  #record(transaction: Transaction): HistoryViews {
    const { userId, terminalId } = transaction;
    const user = this.users.get(userId);
    const terminal = terminalId === undefined ? undefined : this.terminals.get(terminalId);
    const views = recordTransaction(transaction, { user: user.history, terminal: terminal?.history });
    this.users.changed(user);
    if (terminal) this.terminals.changed(terminal);
    return views;
  }

  #recordLabel(label: KnownLabel, position: LogPosition): void {
    const user = this.users.get(label.userId);
    if (position >= user.appliedBefore && user.history.recordLabel(label)) this.users.changed(user);
    if (label.terminalId === undefined) return;
    const terminal = this.terminals.get(label.terminalId);
    if (position >= terminal.appliedBefore && terminal.history.recordLabel(label))
      this.terminals.changed(terminal);
  }
}
