/**
 * The one lane of a process through which transactions and labels reach the log.
 *
 *   submit -> waiting -> [ batch: ingest, decide ] -> log's flight -> answer
 *                          one at a time               many at once
 *
 * Whatever is waiting when the batch before has been handed to the log is the next batch; there are no timers. An id
 * that is decided already, or is on its way, gets the decision that exists.
 *
 * Where views are embedded and the log loses a flight, the histories hold what never was. Then nothing is appended until
 * the views have started over from what is durable, and a batch that was being decided meanwhile is decided again. Where
 * servers keep the views, what was recorded and not logged is completed when it is sent again: its id is known there.
 */
import type { Decision } from '../core/decision/decision.ts';
import type { TransactionId } from '../core/transaction/ids.ts';
import type { KnownLabel, Label } from '../core/transaction/label.ts';
import type { Control } from './control.ts';
import { type Arrival, type DecideContext, decideBatch } from './decide.ts';
import type { DecisionIndex, IndexedDecision } from './decision-index.ts';
import type { Appended, EventLog, LogEvent } from './event-log.ts';
import { StoreUnavailableError } from './pipeline-errors.ts';
import { RecentDecisions } from './recent-decisions.ts';
import { isUnclaimed } from './unrecorded.ts';
import { joinLabels, type Learned, type OnItsWay, toVerdict, type Verdict } from './verdict.ts';
import type { LogView } from './view.ts';
import { type DecideJob, type LearnJob, WaitingLine } from './waiting-line.ts';

export type LaneContext = Omit<DecideContext, 'control' | 'eventLog' | 'isBlind'> & {
  readonly eventLog: EventLog;
  readonly decisionIndex: DecisionIndex;
  /** The embedded views, which follow the log from here; undefined where servers keep the views. */
  readonly view: LogView | undefined;
};

type Job = DecideJob<Verdict> | LearnJob<Learned>;

/** What stage `ingest` finds out about a batch. */
type Ingested = {
  /** The first arrival of each id that has no decision. */
  readonly fresh: readonly Arrival[];
  /** By id: those that exist, and once they are decided, the fresh ones. */
  readonly decisionById: Map<TransactionId, Decision>;
  /** Claimed by a process that may have ended before it logged them. */
  readonly unlogged: readonly Decision[];
  readonly hasOnItsWay: boolean;
  /** The index could not be asked. */
  readonly isBlind: boolean;
};

/** The log has lost what this batch was computed from; it is to be run again. */
class LostGroundError extends Error {}

export class DecisionLane {
  readonly #context: LaneContext;
  #control: Control;
  readonly #waiting = new WaitingLine<Job>();
  /** Set while batches are run; never rejects. */
  #running: Promise<void> | undefined;
  /** Decisions that the log has and has not yet made durable. */
  readonly #onTheirWay = new Map<TransactionId, OnItsWay>();
  /** Durable decisions that the index could not be told of. */
  readonly #unclaimed = new RecentDecisions();
  /** The view holds what the log does not: it was lost, or never appended. It starts over before the next batch. */
  #viewIsAhead = false;
  /** Of the newest append; durability comes in the log's order, so everything before it is durable then too. */
  #newestDurable: Promise<void> = Promise.resolve();
  /** Settles when the view, if it is starting over, has done so; never rejects. */
  #startingOver: Promise<unknown> = Promise.resolve();
  /** Settles when all jobs whose batch has run are answered. */
  #answered: Promise<void> = Promise.resolve();

  constructor(context: LaneContext, control: Control) {
    this.#context = context;
    this.#control = control;
  }

  get waitingCount(): number {
    return this.#waiting.count;
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
    this.#waiting.assertRoom(arrivals.length);
    return new Promise((resolve, reject) =>
      this.#enter({ kind: 'decide', items: arrivals, resolve, reject }),
    );
  }

  /**
   * Records what became known; the promise resolves when it is durable.
   * @throws OverloadedError at once; LogUnavailableError, StoreUnavailableError by rejection
   */
  learn(labels: readonly Label[]): Promise<Learned[]> {
    this.#waiting.assertRoom(labels.length);
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

  #enter(job: Job): void {
    this.#waiting.enter(job);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#waiting.count > 0 || this.#viewIsAhead) {
      const jobs = this.#waiting.takeBatch();
      try {
        if (this.#viewIsAhead) await this.#startOver();
        if (isLearning(jobs)) await this.#runLabels(jobs);
        else if (jobs.length > 0) await this.#runDecisions(jobs as DecideJob<Verdict>[]);
      } catch (error) {
        if (error instanceof LostGroundError) this.#waiting.putBack(jobs);
        else for (const job of jobs) job.reject(error);
        // The views could not be reset, and nobody waits: whoever comes next tries again.
        if (jobs.length === 0) break;
      }
    }
    this.#running = undefined;
  }

  async #runDecisions(jobs: readonly DecideJob<Verdict>[]): Promise<void> {
    const ingested = await this.#ingest(itemsOf<Arrival>(jobs));
    const { fresh, unlogged, decisionById, hasOnItsWay } = ingested;
    if (unlogged.length > 0) this.#logAgain(unlogged);
    if (fresh.length > 0) await this.#decideFresh(ingested);
    const mustWait = fresh.length > 0 || unlogged.length > 0 || hasOnItsWay;
    this.#answerOnce(mustWait ? this.#newestDurable : Promise.resolve(), jobs, () => {
      for (const { items, resolve } of jobs)
        resolve(items.map((arrival) => toVerdict(arrival, decisionById)));
    });
  }

  /** Stage `ingest`: only what was never decided goes on. */
  async #ingest(arrivals: readonly Arrival[]): Promise<Ingested> {
    const { now, onStage } = this.#context;
    const since = now();
    const ids = arrivals.map(({ transaction }) => transaction.transactionId);
    // Before the index is asked: what lands meanwhile is in neither answer otherwise.
    const onTheirWay = ids.map((id) => this.#onTheirWay.get(id));
    const indexed = await this.#findOrNothing(ids);
    const fresh: Arrival[] = [];
    const unlogged: Decision[] = [];
    const decisionById = new Map<TransactionId, Decision>();
    const seen = new Set<TransactionId>();
    for (let index = 0; index < ids.length; index++) {
      if (seen.has(ids[index])) continue;
      seen.add(ids[index]);
      const found = indexed?.[index];
      const existing = onTheirWay[index]?.decision ?? found?.decision ?? this.#unclaimed.find(ids[index]);
      if (!existing) fresh.push(arrivals[index]);
      else decisionById.set(ids[index], existing);
      if (found && !found.isLogged && !onTheirWay[index]) unlogged.push(found.decision);
    }
    onStage('ingest', now() - since, arrivals.length);
    const hasOnItsWay = onTheirWay.some((found) => found !== undefined);
    return { fresh, unlogged, decisionById, hasOnItsWay, isBlind: indexed === undefined };
  }

  async #findOrNothing(
    ids: readonly TransactionId[],
  ): Promise<readonly (IndexedDecision | undefined)[] | undefined> {
    try {
      return await this.#context.decisionIndex.find(ids);
    } catch (error) {
      if (error instanceof StoreUnavailableError) return undefined;
      throw error;
    }
  }

  async #decideFresh({ fresh, decisionById, isBlind }: Ingested): Promise<void> {
    const { decisions, appended } = await this.#recording(decideBatch(fresh, this.#decideContext(isBlind)));
    for (const decision of decisions) {
      const id = decision.transaction.transactionId;
      decisionById.set(id, decision);
      this.#onTheirWay.set(id, { decision, label: undefined });
    }
    this.#tell((view) => view.tookDecisions(decisions, appended));
    const forget = () => {
      for (const { transaction } of decisions) this.#onTheirWay.delete(transaction.transactionId);
    };
    appended.durable.then(() => this.#tellIndex(decisions)).then(forget, forget);
  }

  /** What was not claimed must not take the place of what stands in the index. */
  #tellIndex(decisions: readonly Decision[]): void {
    this.#context.decisionIndex.confirm(decisions.filter((decision) => !isUnclaimed(decision)));
    this.#unclaimed.add(decisions.filter(isUnclaimed));
  }

  #decideContext(isBlind: boolean): DecideContext {
    const append = (events: readonly LogEvent[]) => this.#append(events);
    const { isSpooling } = this.#context.eventLog;
    return { ...this.#context, control: this.#control, eventLog: { append, isSpooling }, isBlind };
  }

  #logAgain(decisions: readonly Decision[]): void {
    const { durable } = this.#append(decisions.map((decision) => ({ kind: 'decision', decision })));
    durable.then(
      () => this.#context.decisionIndex.confirm(decisions),
      () => {},
    );
  }

  async #runLabels(jobs: readonly LearnJob<Learned>[]): Promise<void> {
    const labels = itemsOf<Label>(jobs);
    const ids = labels.map(({ transactionId }) => transactionId);
    const onTheirWay = ids.map((id) => this.#onTheirWay.get(id));
    const indexed = await this.#context.decisionIndex.find(ids);
    const found = ids.map((_id, index) => onTheirWay[index] ?? indexed[index]);
    const { learned, known } = joinLabels(labels, found, Math.floor(this.#context.now()));
    const recorded = known.length === 0 ? undefined : await this.#recording(this.#recordLabels(known));
    // Even where nothing was recorded: what is known already may have become so in a flight that is in the air.
    const durable = this.#newestDurable;
    const indexedToo = recorded
      ? durable.then(() => this.#context.decisionIndex.addLabels(recorded))
      : durable;
    this.#answerOnce(indexedToo, jobs, () => {
      let index = 0;
      for (const { items, resolve } of jobs) resolve(items.map(() => learned[index++]));
    });
  }

  async #recordLabels(known: readonly KnownLabel[]): Promise<readonly KnownLabel[]> {
    const labels = await this.#context.featureStore.recordLabels(known);
    const appended = this.#append(labels.map((label) => ({ kind: 'label', label })));
    for (const label of labels) {
      const onItsWay = this.#onTheirWay.get(label.transactionId);
      if (onItsWay) onItsWay.label = label;
    }
    this.#tell((view) => view.tookLabels(labels, appended));
    return labels;
  }

  /** What fails on its way from the histories to the log has left its trace in the histories. */
  async #recording<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      this.#viewIsAhead = this.#context.view !== undefined;
      throw error;
    }
  }

  /** Takes nothing that was computed from what the log has lost meanwhile. */
  #append(events: readonly LogEvent[]): Appended {
    if (this.#viewIsAhead) throw new LostGroundError();
    const appended = this.#context.eventLog.append(events);
    this.#newestDurable = appended.durable;
    appended.durable.catch(() => {
      if (!this.#context.view) return;
      this.#viewIsAhead = true;
      this.#running ??= this.#run();
    });
    return appended;
  }

  /** A view that fails to follow is no reason to refuse what the log has taken; it starts over. */
  #tell(news: (view: LogView) => void): void {
    const { view } = this.#context;
    if (!view) return;
    try {
      news(view);
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

  /** Makes the view again as the log has it, once nothing is in the air. */
  async #resetView(): Promise<void> {
    await this.#answered;
    await this.#context.view?.startOver();
    this.#viewIsAhead = false;
  }
}

function isLearning(jobs: readonly Job[]): jobs is readonly LearnJob<Learned>[] {
  return jobs[0]?.kind === 'learn';
}

function itemsOf<Item>(jobs: readonly { readonly items: readonly Item[] }[]): readonly Item[] {
  return jobs.length === 1 ? jobs[0].items : jobs.flatMap(({ items }) => items);
}
