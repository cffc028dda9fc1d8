import type { ConsumedRecord, TransactionConsumer } from '../../adapters/kafka/transaction-consumer.ts';

/** Records that are worked on together: one batch of the lane. */
const BATCH = 512;
/** Batches in work at once, so that deciding goes on while logs and stores are waited for. */
const MAX_IN_WORK = 4;

/** Takes records through their whole way; resolves when all their effects are durable. */
export type Work = (records: readonly ConsumedRecord[]) => Promise<void>;

/**
 * From the consumer through the work to the commit: a few batches at a time, begun in the order they came. What the work does
 * not keep up with stays with the consumer, which stops fetching.
 */
export class Pump {
  /** Resolves when the consumer is closed; rejects if work fails in a way that nobody foresaw. */
  readonly ended: Promise<string>;
  readonly #consumer: TransactionConsumer;
  readonly #work: Work;
  readonly #inWork = new Set<Promise<void>>();
  #isStopping = false;

  constructor(consumer: TransactionConsumer, work: Work) {
    this.#consumer = consumer;
    this.#work = work;
    this.ended = this.#run();
    this.ended.catch(() => {}); // whoever started us waits for it, or for a signal first
  }

  /** Begins nothing new and waits for what is in work. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#inWork);
  }

  async #run(): Promise<string> {
    for (;;) {
      const records = await this.#consumer.next(BATCH);
      if (!records) return 'the consumer was closed';
      if (this.#isStopping) return 'stopped';
      const work = this.#work(records).then(() => this.#consumer.done(records));
      this.#inWork.add(work);
      void work.finally(() => this.#inWork.delete(work)).catch(() => {});
      if (this.#inWork.size >= MAX_IN_WORK) await Promise.race(this.#inWork);
    }
  }
}
