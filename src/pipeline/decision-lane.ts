/**
 * The one lane through which transactions and labels reach the log.
 *
 *   submit -> waiting -> [ batch: ingest, decide ] -> log's flight -> answer
 *                          one at a time               many at once
 *
 * Whatever is waiting when the batch before has been handed to the log is the next batch; there are no timers. An id
 * that is decided already, or is on its way, gets the decision that exists.
 *
 * When the log loses a flight, the histories hold what never was. Then nothing is appended until the views have
 * started over from what is durable, and a batch that was being decided meanwhile is decided again.
 */

import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel, Label } from '../core/transaction/label.ts';
import { isSameTransaction } from '../core/transaction/transaction.ts';
import type { Control } from './control.ts';
import { type Arrival, type DecideContext, decideBatch } from './decide.ts';
import type { DecisionIndex } from './decision-index.ts';
import type { Appended, EventLog, LogEvent } from './event-log.ts';
import { OverloadedError } from './pipeline-errors.ts';
import { catchUp, type LogView } from './view.ts';

/** Transactions that may wait for the lane; more are refused at once, as they could not be answered in time. */
export const MAX_WAITING = 8_192;
/** Transactions in one batch, so that none waits for a very long one. */
const MAX_BATCH = 512;

export type LaneContext = Omit<DecideContext, 'control' | 'eventLog'> & {
  readonly eventLog: EventLog;
  readonly decisionIndex: DecisionIndex;
  /** The embedded views, which follow the log from here; undefined where servers keep the views. */
  readonly view: LogView | undefined;
};

/** What became of a submitted transaction. */
export type Verdict =
  | { readonly kind: 'decided'; readonly decision: Decision; readonly isRepeat: boolean }
  /** Another transaction was decided under this id. */
  | { readonly kind: 'conflict' };

/** What became of a submitted label. */
export type Learned = 'recorded' | 'known-already' | 'unknown-transaction' | 'before-transaction';

type Submitted<Kind extends string, Item, Result> = {
  readonly kind: Kind;
  readonly items: readonly Item[];
  readonly resolve: (results: Result[]) => void;
  readonly reject: (error: unknown) => void;
};

type DecideJob = Submitted<'decide', Arrival, Verdict>;
type LearnJob = Submitted<'learn', Label, Learned>;
type Job = DecideJob | LearnJob;

type OnItsWay = {
  readonly decision: Decision;
  /** What was said of it since, as an index entry has it. */
  label: Pick<KnownLabel, 'isFraud' | 'knownAtMs'> | undefined;
};

/** What stage `ingest` finds out about a batch. */
type Ingested = {
  readonly fresh: readonly Arrival[];
  /** In the order of the arrivals: not the first under its id. */
  readonly isRepeat: readonly boolean[];
  /** For every id of the batch, once its fresh ones are decided. */
  readonly decisionById: Map<TransactionId, Decision>;
  readonly hasOnItsWay: boolean;
};

/** The log has lost what this batch was computed from; it is to be run again. */
class LostGroundError extends Error {}

export class DecisionLane {
  readonly #context: LaneContext;
  #control: Control;
  readonly #waiting: Job[] = [];
  #waitingCount = 0;
  /** Set while batches are run; never rejects. */
  #running: Promise<void> | undefined;
  /** Decisions that the log has and has not yet made durable. */
  readonly #onTheirWay = new Map<TransactionId, OnItsWay>();
  /** The views hold what the log does not: it was lost, or never appended. They start over before the next batch. */
  #viewIsAhead = false;
  /** Of the newest append; durability comes in the log's order, so everything before it is durable then too. */
  #newestDurable: Promise<void> = Promise.resolve();
  /** Settles when the views, if they are starting over, have done so; never rejects. */
  #startingOver: Promise<unknown> = Promise.resolve();
  /** Settles when all jobs whose batch has run are answered. */
  #answered: Promise<void> = Promise.resolve();

  constructor(context: LaneContext, control: Control) {
    this.#context = context;
    this.#control = control;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  get control(): Control {
    return this.#control;
  }

  /** From the next batch on, decisions follow this control, which must be in the log. */
  follow(control: Control): void {
    this.#control = control;
  }

  /**
   * Decides transactions; the promise resolves when every decision is durable.
   * @throws OverloadedError at once; LogUnavailableError, ScoringFailedError by rejection
   */
  decide(arrivals: readonly Arrival[]): Promise<Verdict[]> {
    this.#assertRoom(arrivals.length);
    return new Promise((resolve, reject) =>
      this.#enter({ kind: 'decide', items: arrivals, resolve, reject }),
    );
  }

  /** Records what became known; the promise resolves when it is durable. Throws as `decide` does. */
  learn(labels: readonly Label[]): Promise<Learned[]> {
    this.#assertRoom(labels.length);
    return new Promise((resolve, reject) => this.#enter({ kind: 'learn', items: labels, resolve, reject }));
  }

  /** Resolves when everything submitted so far is answered, and the views hold nothing that the log does not. */
  async drained(): Promise<void> {
    do {
      await this.#running;
      await this.#answered;
    } while (this.#running);
  }

  /** Resolves when the views can be asked: while they start over, they know less than was answered. */
  async askable(): Promise<void> {
    await this.#startingOver;
  }

  #assertRoom(count: number): void {
    if (this.#waitingCount + count <= MAX_WAITING) return;
    throw new OverloadedError(`${this.#waitingCount} transactions and labels are waiting`);
  }

  #enter(job: Job): void {
    this.#waiting.push(job);
    this.#waitingCount += job.items.length;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#waiting.length > 0 || this.#viewIsAhead) {
      const jobs = this.#takeBatch();
      try {
        if (this.#viewIsAhead) await this.#startOver();
        if (isLearning(jobs)) await this.#runLabels(jobs);
        else if (jobs.length > 0) await this.#runDecisions(jobs as DecideJob[]);
      } catch (error) {
        if (error instanceof LostGroundError) this.#putBack(jobs);
        else for (const job of jobs) job.reject(error);
        // The views could not be reset, and nobody waits: whoever comes next tries again.
        if (jobs.length === 0) break;
      }
    }
    this.#running = undefined;
  }

  /** The jobs at the front that make one batch: of one kind, at least one, as many as fit; none if none waits. */
  #takeBatch(): Job[] {
    let count = 0;
    let jobs = 0;
    for (const { kind, items } of this.#waiting) {
      if (kind !== this.#waiting[0].kind || (jobs > 0 && count + items.length > MAX_BATCH)) break;
      count += items.length;
      jobs++;
    }
    this.#waitingCount -= count;
    return this.#waiting.splice(0, jobs);
  }

  #putBack(jobs: readonly Job[]): void {
    this.#waiting.unshift(...jobs);
    for (const { items } of jobs) this.#waitingCount += items.length;
  }

  async #runDecisions(jobs: readonly DecideJob[]): Promise<void> {
    const ingested = await this.#ingest(itemsOf<Arrival>(jobs));
    const { fresh, decisionById, isRepeat, hasOnItsWay } = ingested;
    if (fresh.length > 0) await this.#decideFresh(fresh, decisionById);
    const durable = fresh.length > 0 || hasOnItsWay ? this.#newestDurable : Promise.resolve();
    this.#answerOnce(durable, jobs, () => {
      let index = 0;
      for (const { items, resolve } of jobs)
        resolve(items.map((arrival) => toVerdict(arrival, decisionById, isRepeat[index++])));
    });
  }

  /** Stage `ingest`: only what was never decided goes on. */
  async #ingest(arrivals: readonly Arrival[]): Promise<Ingested> {
    const { now, onStage, decisionIndex } = this.#context;
    const since = now();
    const ids = arrivals.map(({ transaction }) => transaction.transactionId);
    // Before the index is asked: what lands meanwhile is in neither answer otherwise.
    const onTheirWay = ids.map((id) => this.#onTheirWay.get(id));
    const indexed = await decisionIndex.find(ids);
    const fresh: Arrival[] = [];
    const isRepeat: boolean[] = [];
    const decisionById = new Map<TransactionId, Decision>();
    const seen = new Set<TransactionId>();
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index];
      const existing = onTheirWay[index]?.decision ?? indexed[index]?.decision;
      if (existing) decisionById.set(id, existing);
      isRepeat.push(existing !== undefined || seen.has(id));
      if (!isRepeat[index]) fresh.push(arrivals[index]);
      seen.add(id);
    }
    onStage('ingest', now() - since, arrivals.length);
    return { fresh, isRepeat, decisionById, hasOnItsWay: onTheirWay.some((found) => found !== undefined) };
  }

  async #decideFresh(fresh: readonly Arrival[], decisionById: Map<TransactionId, Decision>): Promise<void> {
    const { decisions, appended } = await this.#recording(decideBatch(fresh, this.#decideContext()));
    for (const decision of decisions) {
      const id = decision.transaction.transactionId;
      decisionById.set(id, decision);
      this.#onTheirWay.set(id, { decision, label: undefined });
    }
    this.#context.decisionIndex.addDecisions(decisions, appended.positions);
    this.#followLog(appended.durable);
    const forget = () => {
      for (const { transaction } of decisions) this.#onTheirWay.delete(transaction.transactionId);
    };
    appended.durable.then(forget, forget);
  }

  #decideContext(): DecideContext {
    const { featureStore, now, onStage } = this.#context;
    const eventLog = { append: (events: readonly LogEvent[]) => this.#append(events) };
    return { control: this.#control, featureStore, eventLog, now, onStage };
  }

  async #runLabels(jobs: readonly LearnJob[]): Promise<void> {
    const { learned, known } = await this.#joinLabels(itemsOf<Label>(jobs));
    if (known.length > 0) await this.#recordLabels(known);
    // Even where nothing was recorded: what is known already may have become so in a flight that is in the air.
    this.#answerOnce(this.#newestDurable, jobs, () => {
      let index = 0;
      for (const { items, resolve } of jobs) resolve(items.map(() => learned[index++]));
    });
  }

  /** Joins each label to its transaction and to what was believed before. */
  async #joinLabels(labels: readonly Label[]) {
    const nowMs = Math.floor(this.#context.now());
    const ids = labels.map(({ transactionId }) => transactionId);
    const onTheirWay = ids.map((id) => this.#onTheirWay.get(id));
    const indexed = await this.#context.decisionIndex.find(ids);
    const learned: Learned[] = [];
    const known: KnownLabel[] = [];
    const believed = new Map<TransactionId, KnownLabel>();
    for (let index = 0; index < labels.length; index++) {
      const found = onTheirWay[index] ?? indexed[index];
      const verdict = judgeLabel(
        labels[index],
        found?.decision,
        believed.get(ids[index]) ?? found?.label,
        nowMs,
      );
      learned.push(typeof verdict === 'string' ? verdict : 'recorded');
      if (typeof verdict === 'string') continue;
      known.push(verdict);
      believed.set(ids[index], verdict);
    }
    return { learned, known };
  }

  async #recordLabels(known: readonly KnownLabel[]): Promise<void> {
    const { durable } = await this.#recording(this.#appendLabels(known));
    for (const label of known) {
      const onItsWay = this.#onTheirWay.get(label.transactionId);
      if (onItsWay) onItsWay.label = label;
    }
    this.#context.decisionIndex.addLabels(known);
    this.#followLog(durable);
  }

  async #appendLabels(known: readonly KnownLabel[]): Promise<Appended> {
    await this.#context.featureStore.recordLabels(known);
    return this.#append(known.map((label) => ({ kind: 'label', label })));
  }

  /** What fails on its way from the histories to the log has left its trace in the histories. */
  async #recording<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      this.#viewIsAhead = true;
      throw error;
    }
  }

  /** Takes nothing that was computed from what the log has lost meanwhile. */
  #append(events: readonly LogEvent[]): Appended {
    if (this.#viewIsAhead) throw new LostGroundError();
    const appended = this.#context.eventLog.append(events);
    this.#newestDurable = appended.durable;
    appended.durable.catch(() => {
      this.#viewIsAhead = true;
      this.#running ??= this.#run();
    });
    return appended;
  }

  /** A view that fails to follow is no reason to refuse what the log has taken; it starts over. */
  #followLog(durable: Promise<void>): void {
    try {
      this.#context.view?.follow(this.#context.eventLog.end, durable);
    } catch {
      this.#viewIsAhead = true;
    }
  }

  #answerOnce(durable: Promise<void>, jobs: readonly Job[], answer: () => void): void {
    const before = this.#answered;
    const refuse = (error: unknown) => {
      for (const job of jobs) job.reject(error);
    };
    this.#answered = durable.then(answer, refuse).then(() => before);
  }

  async #startOver(): Promise<void> {
    const resetting = this.#resetView();
    this.#startingOver = resetting.catch(() => {});
    await resetting;
  }

  /** Makes the views again as the log has it, once nothing is in the air. */
  async #resetView(): Promise<void> {
    await this.#answered;
    if (this.#context.view) {
      await this.#context.view.reset();
      await catchUp(this.#context.view, this.#context.eventLog);
    }
    this.#viewIsAhead = false;
  }
}

function isLearning(jobs: readonly Job[]): jobs is readonly LearnJob[] {
  return jobs[0]?.kind === 'learn';
}

function itemsOf<Item>(jobs: readonly { readonly items: readonly Item[] }[]): readonly Item[] {
  return jobs.length === 1 ? jobs[0].items : jobs.flatMap(({ items }) => items);
}

function toVerdict(
  arrival: Arrival,
  decisionById: ReadonlyMap<TransactionId, Decision>,
  isRepeat: boolean,
): Verdict {
  const decision = decisionById.get(arrival.transaction.transactionId)!;
  if (isRepeat && !isSameTransaction(decision.transaction, arrival.transaction)) return { kind: 'conflict' };
  return { kind: 'decided', decision, isRepeat };
}

function judgeLabel(
  label: Label,
  decision: Decision | undefined,
  previous: { readonly isFraud: boolean; readonly knownAtMs: number } | undefined,
  nowMs: number,
): KnownLabel | Learned {
  if (!decision) return 'unknown-transaction';
  const { userId, terminalId, timestampMs } = decision.transaction;
  const knownAtMs = label.knownAtMs ?? nowMs;
  if (knownAtMs < timestampMs) return 'before-transaction';
  if (previous?.isFraud === label.isFraud) return 'known-already';
  return {
    transactionId: label.transactionId,
    isFraud: label.isFraud,
    previousIsFraud: previous?.isFraud ?? false,
    knownAtMs: Math.max(knownAtMs, previous?.knownAtMs ?? 0),
    userId,
    terminalId,
    transactionTimestampMs: timestampMs,
  };
}
