/**
 * The way of a batch of transactions to decisions that are in the log, stage by stage. `DecisionLane` sends batches
 * through here one after the other, so histories and log see the same order; it does not wait for the log's disk.
 */

import type { Arm, Decision, Stage } from '../core/decision/decision.ts';
import { decideOutcome } from '../core/decision/policy.ts';
import { assignArm } from '../core/experiment/assignment.ts';
import type { HistoryViews } from '../core/features/feature-vector.ts';
import { Histories } from '../core/features/histories.ts';
import type { Transaction } from '../core/transaction/transaction.ts';
import type { Control } from './control.ts';
import type { DecisionIndex } from './decision-index.ts';
import type { Appended, EventLog } from './event-log.ts';
import type { FeatureStore } from './feature-store.ts';
import { StoreUnavailableError } from './pipeline-errors.ts';
import { findReasons, type Score, score } from './score.ts';

/** A transaction on its way, with what the stages have found out about it. */
export type Arrival = {
  readonly transaction: Transaction;
  /** When its request arrived, on the clock of `DecideContext.now`. */
  readonly arrivedAtMs: number;
};

export type DecideContext = {
  readonly control: Control;
  readonly featureStore: FeatureStore;
  readonly decisionIndex: Pick<DecisionIndex, 'claim'>;
  readonly eventLog: Pick<EventLog, 'append' | 'isSpooling'>;
  /** The decision index could not say whether these transactions were decided before. */
  readonly isBlind: boolean;
  /** How long a batch may spend on finding reasons; decisions that are then left answer without, `degraded` by `decide`. */
  readonly reasonsBudgetMs: number;
  /** Milliseconds since 1970, with fractions; never runs backwards. */
  readonly now: () => number;
  /** Told how long a stage took for a batch. */
  readonly onStage: (stage: Stage, milliseconds: number, transactions: number) => void;
};

/** The decisions that stand under the arrivals' ids, in their order: ours, or those of a process that was faster. */
export type DecidedBatch = { readonly decisions: readonly Decision[]; readonly appended: Appended };

/** Decides transactions that were not known to be decided before and hands the decisions to the log. */
export async function decideBatch(
  arrivals: readonly Arrival[],
  context: DecideContext,
): Promise<DecidedBatch> {
  const { control } = context;
  const transactions = arrivals.map(({ transaction }) => transaction);
  const timed = stageTimer(context, arrivals.length);

  const { histories, isWithout } = await recordOrDoWithout(transactions, context.featureStore);
  const vectors = computeFeatures(transactions, histories, control);
  timed('features');
  const arms = route(transactions, control);
  timed('route');
  const scores = await score(vectors, arms, control);
  timed('score');
  const decidedAtMs = context.now();
  const without = stagesWithout({
    ingest: context.isBlind,
    features: isWithout,
    publish: context.eventLog.isSpooling,
  });
  const untilMs = decidedAtMs + context.reasonsBudgetMs;
  const reasonCodes = findReasons(vectors, scores, control, () => context.now() < untilMs);
  const decided = arrivals.map((arrival, index) => {
    const { fraudProbability, scoredBy } = scores[index];
    const scored = { features: vectors[index], arm: arms[index], fraudProbability, scoredBy };
    const found = { ...scored, ...withReasons(reasonCodes[index], without) };
    return decide(arrival, histories[index], found, control, decidedAtMs);
  });
  timed('decide');
  const decisions = await claimOrDoWithout(decided, context);
  const appended = context.eventLog.append(decisions.map((decision) => ({ kind: 'decision', decision })));
  timed('publish');
  return { decisions, appended };
}

/**
 * Records the transactions in their histories. Where these are out of reach, every transaction is its entities' first:
 * what it says itself is all that is known.
 */
async function recordOrDoWithout(
  transactions: readonly Transaction[],
  featureStore: FeatureStore,
): Promise<{ readonly histories: readonly HistoryViews[]; readonly isWithout: boolean }> {
  try {
    return { histories: await featureStore.record(transactions), isWithout: false };
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return {
      histories: transactions.map((transaction) => new Histories().record(transaction)),
      isWithout: true,
    };
  }
}

/** Where the index is out of reach, nobody else can be asked: each decision stands as it is. */
async function claimOrDoWithout(
  decisions: readonly Decision[],
  { decisionIndex, isBlind }: DecideContext,
): Promise<readonly Decision[]> {
  if (isBlind) return decisions;
  try {
    return await decisionIndex.claim(decisions);
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
    return decisions.map((decision) => ({ ...decision, degraded: ['ingest', ...decision.degraded] }));
  }
}

/** Reasons that were not looked for can be asked for later: they follow from the features that the decision carries. */
function withReasons(found: readonly string[] | undefined, without: readonly Stage[]) {
  return found
    ? { reasonCodes: found, without }
    : { reasonCodes: [], without: [...without, 'decide'] as const };
}

function stagesWithout(stages: Partial<Record<Stage, boolean>>): readonly Stage[] {
  return (Object.keys(stages) as Stage[]).filter((stage) => stages[stage]);
}

/** The features of each transaction, from its entities' histories as they were when it arrived. */
export function computeFeatures(
  transactions: readonly Transaction[],
  histories: readonly HistoryViews[],
  control: Control,
): Float32Array[] {
  const { vectorizer } = control;
  const { length } = vectorizer;
  // One block of memory for the batch: making one for every vector costs more than half of what computing it does.
  const block = new Float32Array(transactions.length * length);
  return transactions.map((transaction, index) => {
    const vector = block.subarray(index * length, (index + 1) * length);
    return vectorizer.compute(transaction, histories[index], vector);
  });
}

export function route(transactions: readonly Transaction[], control: Control): Arm[] {
  const { salt, arms } = control.document;
  return transactions.map(({ userId }) => assignArm(salt, userId, arms.A.percent));
}

type Found = Score & {
  readonly features: Float32Array;
  readonly arm: Arm;
  readonly reasonCodes: readonly string[];
  /** Stages that had to be done without, besides scoring by the arm's own model. */
  readonly without: readonly Stage[];
};

/** What the scores lead to; pure but for the time, which is handed in. */
export function decide(
  arrival: Arrival,
  histories: HistoryViews,
  found: Found,
  control: Control,
  decidedAtMs: number,
): Decision {
  const { features, arm, fraudProbability, scoredBy, reasonCodes, without } = found;
  const isPlaced = !without.includes('features');
  const { thresholds, modelVersion } = control.document.arms[scoredBy];
  return {
    transaction: arrival.transaction,
    userPosition: isPlaced ? histories.user.position : undefined,
    terminalPosition: isPlaced ? histories.terminal?.position : undefined,
    isOutOfOrder: histories.user.previousNewestMs > arrival.transaction.timestampMs,
    features,
    controlVersion: control.document.version,
    arm,
    modelVersion,
    fraudProbability,
    isFraud: fraudProbability >= thresholds.fraud,
    outcome: decideOutcome(fraudProbability, thresholds),
    reasonCodes,
    degraded: scoredBy === arm ? without : [...without, 'score'],
    decidedAtMs: Math.floor(decidedAtMs),
    latencyMs: Math.round((decidedAtMs - arrival.arrivedAtMs) * 1000) / 1000,
  };
}

/** Each call reports the time since the one before. */
function stageTimer({ now, onStage }: DecideContext, transactions: number): (stage: Stage) => void {
  let since = now();
  return (stage) => {
    const until = now();
    onStage(stage, until - since, transactions);
    since = until;
  };
}
