import { build } from 'hdr-histogram-js';
import type { Failure } from './http-answer.ts';

/** What came of the requests of one load. Latencies are of right answers only; failures are counted apart. */
export type Tally = {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly failures: { readonly [failure in Failure]?: number };
  /** Requests of an open load that found no free connection within its bound, and were never sent. */
  readonly dropped: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
};

/** Longer latencies are recorded as this; the request timeout is far below it. */
const LATENCY_MAX_US = 100_000_000;

/** Counts while a load runs. */
export class TallyCounter {
  readonly #histogramUs = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_MAX_US,
    autoResize: false,
    numberOfSignificantValueDigits: 3,
  });
  readonly #failures: { [failure in Failure]?: number } = {};
  #sent = 0;
  #failed = 0;
  #dropped = 0;

  countSent(): void {
    this.#sent++;
  }

  countAnswered(latencyMs: number): void {
    this.#histogramUs.recordValue(Math.min(Math.round(latencyMs * 1_000), LATENCY_MAX_US));
  }

  countFailed(failure: Failure): void {
    this.#failed++;
    this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
  }

  countDropped(): void {
    this.#dropped++;
  }

  toTally(): Tally {
    const percentileMs = (percentile: number) => this.#histogramUs.getValueAtPercentile(percentile) / 1_000;
    return {
      sent: this.#sent,
      answered: this.#histogramUs.totalCount,
      failed: this.#failed,
      failures: this.#failures,
      dropped: this.#dropped,
      latencyMs: {
        p50: percentileMs(50),
        p90: percentileMs(90),
        p99: percentileMs(99),
        p999: percentileMs(99.9),
        max: this.#histogramUs.maxValue / 1_000,
      },
    };
  }
}
