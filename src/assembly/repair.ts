import { setTimeout as delay } from 'node:timers/promises';
import { answerJson } from '../core/decision/answer.ts';
import type { Decision } from '../core/decision/decision.ts';
import type { DecisionIndex } from '../pipeline/decision-index.ts';
import type { EventLog, Placement } from '../pipeline/event-log.ts';
import { LogUnavailableError } from '../pipeline/event-log.ts';
import type { FeatureStore } from '../pipeline/feature-store.ts';
import { StoreUnavailableError } from '../pipeline/pipeline-errors.ts';

const RETRY_MS = 250;

export type RepairContext = {
  readonly featureStore: FeatureStore;
  readonly decisionIndex: DecisionIndex;
  readonly eventLog: EventLog;
  readonly onRepaired: (decisions: number) => void;
};

/**
 * Brings decisions that were made while the shared views were out of reach into these: their transactions into the
 * histories, where they then stand told to the log, and themselves under their ids. Doing so again changes nothing.
 */
export class Repair implements Disposable {
  readonly #context: RepairContext;
  readonly #closing = new AbortController();

  constructor(context: RepairContext) {
    this.#context = context;
  }

  /** Resolves when it is done, however long the views are away. @returns false if it was closed before */
  async record(decisions: readonly Decision[]): Promise<boolean> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#recordNow(decisions);
        this.#context.onRepaired(decisions.length);
        return true;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError || error instanceof LogUnavailableError)) throw error;
        await delay(RETRY_MS, undefined, { signal: this.#closing.signal }).catch(() => {}); // closed meanwhile
      }
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.#closing.abort();
  }

  async #recordNow(decisions: readonly Decision[]): Promise<void> {
    const { featureStore, decisionIndex, eventLog } = this.#context;
    const transactions = decisions.map(({ transaction }) => transaction);
    const views = await featureStore.record(transactions);
    const placements = decisions.flatMap((decision, index): Placement[] => {
      if (decision.userPosition !== undefined) return [];
      const { transactionId, userId, terminalId } = decision.transaction;
      const { user, terminal } = views[index];
      return [
        {
          ...{ transactionId, userId, terminalId },
          ...{ userPosition: user.position, terminalPosition: terminal?.position },
        },
      ];
    });
    await eventLog.append(placements.map((placement) => ({ kind: 'placement', placement }))).durable;
    const standing = await decisionIndex.claim(decisions);
    decisionIndex.confirm(decisions.filter((decision, index) => isSame(decision, standing[index])));
  }
}

/** Another process may have decided the same transaction, and its decision stands. */
function isSame(decision: Decision, standing: Decision): boolean {
  return answerJson(decision) === answerJson(standing);
}
