import type { Transaction } from '../transaction/transaction.ts';

export type Outcome = 'approve' | 'review' | 'decline';

/** Stages of the way from a transaction to an answer; the same words name functions, metrics and log fields. */
export type Stage = 'ingest' | 'features' | 'route' | 'score' | 'decide' | 'publish';

export type Arm = 'A' | 'B';

/** Everything that is kept of one decision: enough to answer again, to explain, and to compute it anew. */
export type Decision = {
  readonly transaction: Transaction;
  /**
   * Position of the transaction in its user's history and in its terminal's. Undefined where it has no terminal, or was
   * decided without its histories.
   */
  readonly userPosition: number | undefined;
  readonly terminalPosition: number | undefined;
  /** A transaction of the same user with a later event time was decided before. */
  readonly isOutOfOrder: boolean;
  /** Values of the control document's `features`, in its order; NaN where a feature has none. */
  readonly features: Float32Array;
  readonly controlVersion: number;
  readonly arm: Arm;
  readonly modelVersion: string;
  /** float32, 0 to 1. */
  readonly fraudProbability: number;
  readonly isFraud: boolean;
  readonly outcome: Outcome;
  readonly reasonCodes: readonly string[];
  /** Stages that had to be done without. */
  readonly degraded: readonly Stage[];
  readonly decidedAtMs: number;
  /** From the arrival of the request to the decision, milliseconds. */
  readonly latencyMs: number;
};
