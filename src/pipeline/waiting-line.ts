import type { Label } from '../core/transaction/label.ts';
import type { Arrival } from './decide.ts';
import { OverloadedError } from './pipeline-errors.ts';

/** Transactions and labels that may wait for the lane; more are refused at once, as they could not be answered in time. */
const MAX_WAITING = 8_192;
/** Transactions in one batch, so that none waits for a very long one. */
const MAX_BATCH = 512;

/** What became of a submitted transaction or label, in the order of the job's items. */
type Submitted<Kind extends string, Item, Result> = {
  readonly kind: Kind;
  readonly items: readonly Item[];
  readonly resolve: (results: Result[]) => void;
  readonly reject: (error: unknown) => void;
};

export type DecideJob<Verdict> = Submitted<'decide', Arrival, Verdict>;
export type LearnJob<Learned> = Submitted<'learn', Label, Learned>;

/** What has been submitted and not yet been taken into a batch: first come, first served, and bounded. */
export class WaitingLine<Job extends Submitted<string, unknown, never>> {
  readonly #jobs: Job[] = [];
  #count = 0;

  /** Transactions and labels that wait. */
  get count(): number {
    return this.#count;
  }

  /** @throws OverloadedError if so many more may not wait */
  assertRoom(count: number): void {
    if (this.#count + count > MAX_WAITING)
      throw new OverloadedError(`${this.#count} transactions and labels are waiting`);
  }

  enter(job: Job): void {
    this.#jobs.push(job);
    this.#count += job.items.length;
  }

  /** The jobs at the front that make one batch: of one kind, at least one, as many as fit; none if none waits. */
  takeBatch(): Job[] {
    let count = 0;
    let jobs = 0;
    for (const { kind, items } of this.#jobs) {
      if (kind !== this.#jobs[0].kind || (jobs > 0 && count + items.length > MAX_BATCH)) break;
      count += items.length;
      jobs++;
    }
    this.#count -= count;
    return this.#jobs.splice(0, jobs);
  }

  putBack(jobs: readonly Job[]): void {
    this.#jobs.unshift(...jobs);
    for (const { items } of jobs) this.#count += items.length;
  }
}
