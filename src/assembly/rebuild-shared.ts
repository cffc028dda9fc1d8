/**
 * Fills the shared views in Redis again from a log. Decisions go in as they are read; records are collected by entity,
 * because a log of several processes has no order but the positions, and put when all are known.
 */
import type { RedisStores } from '../adapters/redis/redis-stores.ts';
import type { Decision } from '../core/decision/decision.ts';
import type { Entity } from '../core/features/feature.ts';
import { REACH_MS } from '../core/features/feature-vector.ts';
import { HistoryCollector } from '../core/features/history-collector.ts';
import type { KnownLabel } from '../core/transaction/label.ts';
import type { Transaction } from '../core/transaction/transaction.ts';
import type { LogEvent, Placement } from '../pipeline/event-log.ts';

const HISTORIES_AT_ONCE = 500;

export type RebuiltViews = { events: number; decisions: number; labels: number; histories: number };

/** Where a transaction or a label stands in its histories. */
type Places = { readonly userPosition: number | undefined; readonly terminalPosition: number | undefined };

export class SharedViewsBuilder {
  readonly result: RebuiltViews = { events: 0, decisions: 0, labels: 0, histories: 0 };
  readonly #stores: RedisStores;
  readonly #collectors: Readonly<Record<Entity, Map<string, HistoryCollector>>> = {
    user: new Map(),
    terminal: new Map(),
  };
  /** Decided without their histories: their placements come later in the log, or they are in no history yet. */
  readonly #unplaced = new Map<string, Transaction>();

  constructor(stores: RedisStores) {
    this.#stores = stores;
  }

  /** Takes the next events of the log; of decisions with one id the first counts. */
  async take(events: readonly LogEvent[]): Promise<void> {
    this.result.events += events.length;
    const decisions: Decision[] = [];
    const labels: KnownLabel[] = [];
    for (const event of events) {
      if (event.kind === 'decision') decisions.push(event.decision);
      if (event.kind === 'label') labels.push(event.label);
      if (event.kind === 'placement') this.#place(event.placement);
    }
    for (const decision of decisions) this.#collectDecision(decision);
    for (const label of labels) this.#collectLabel(label);
    await this.#stores.restorer.restoreDecisions(decisions);
    await this.#stores.restorer.restoreLabels(labels);
    this.result.decisions += decisions.length;
    this.result.labels += labels.length;
  }

  /** Puts the histories, when all events have been taken. */
  async finish(onProgress: (histories: number, total: number) => void): Promise<RebuiltViews> {
    const total = this.#collectors.user.size + this.#collectors.terminal.size;
    for (const entity of ['user', 'terminal'] as const) {
      const all = [...this.#collectors[entity]];
      for (let first = 0; first < all.length; first += HISTORIES_AT_ONCE) {
        const some = all.slice(first, first + HISTORIES_AT_ONCE);
        await this.#stores.restorer.restoreHistories(
          some.map(([id, collector]) => ({ entity, id, bytes: collector.toBytes(REACH_MS[entity]) })),
        );
        this.result.histories += some.length;
        onProgress(this.result.histories, total);
      }
    }
    return this.result;
  }

  #collectDecision({ transaction, userPosition, terminalPosition }: Decision): void {
    if (userPosition === undefined) this.#unplaced.set(transaction.transactionId, transaction);
    else this.#collectTransaction(transaction, { userPosition, terminalPosition });
  }

  #place({ transactionId, userPosition, terminalPosition }: Placement): void {
    const transaction = this.#unplaced.get(transactionId);
    if (transaction) this.#collectTransaction(transaction, { userPosition, terminalPosition });
  }

  #collectTransaction(transaction: Transaction, { userPosition, terminalPosition }: Places): void {
    const { userId, terminalId } = transaction;
    if (userPosition !== undefined)
      this.#of('user', userId).addTransaction(userPosition, transaction, terminalId);
    if (terminalId !== undefined && terminalPosition !== undefined)
      this.#of('terminal', terminalId).addTransaction(terminalPosition, transaction, userId);
  }

  #collectLabel(label: KnownLabel): void {
    if (label.isFraud === label.previousIsFraud) return; // changed nothing, and is in no history
    const { userId, terminalId, userPosition, terminalPosition } = label;
    this.#of('user', userId).addLabel(userPosition, label);
    if (terminalId !== undefined) this.#of('terminal', terminalId).addLabel(terminalPosition, label);
  }

  #of(entity: Entity, id: string): HistoryCollector {
    const known = this.#collectors[entity].get(id);
    if (known) return known;
    const collector = new HistoryCollector();
    this.#collectors[entity].set(id, collector);
    return collector;
  }
}
