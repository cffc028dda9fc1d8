import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';

/** Some ten megabytes, and the retries of some seconds of full load. */
const DECISIONS_MAX = 10_000;

/** Decisions that this process has made and no index knows of, the newest so many: a retry meanwhile is given the same. */
export class RecentDecisions {
  readonly #byId = new Map<TransactionId, Decision>();
  readonly #max: number;

  constructor(max = DECISIONS_MAX) {
    this.#max = max;
  }

  find(id: TransactionId): Decision | undefined {
    return this.#byId.get(id);
  }

  add(decisions: readonly Decision[]): void {
    for (const decision of decisions) this.#byId.set(decision.transaction.transactionId, decision);
    for (const id of this.#byId.keys()) {
      if (this.#byId.size <= this.#max) return;
      this.#byId.delete(id);
    }
  }
}
