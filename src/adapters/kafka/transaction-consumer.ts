/**
 * What comes in by Kafka, for `fraud stream`: records of `transactions` and `labels`, from where the group has committed or
 * else from the earliest.
 *
 *     leaders ──fetch──► ready ──next()──► in work ──done()──► committed, per partition up to the first that is not done
 *                 ▲                            │
 *                 └── paused while ready and in work hold BYTES_MAX together ◄┘
 *
 * A partition that was taken from us is forgotten: what is ready of it is dropped, what is in work may be finished, is handled
 * again by its new owner from the last commit, and must have its effects once all the same. Commits never go back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import { clientOptions } from './client-options.ts';
import { type FetchedPartition, type FetchedRecord, fetchRecords, groupByLeader } from './fetch-records.ts';
import { GroupMember, type TopicPartition } from './group-member.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { PartitionProgress } from './partition-progress.ts';

/** A second or two of full load, so that a rebalance repeats little. */
const BYTES_MAX = 8 * 1024 * 1024;
const FETCH_BYTES_MAX = 1024 * 1024;
const FETCH_BYTES_MIN = 1024;
/**
 * A fetch is bounded in compressed bytes, memory in others; so we ask for as much as will fit if it expands as before. Repeated
 * spaces expand 200 times, so the first guess is a bad one on purpose.
 */
const FIRST_EXPANSION = 64;
/** A new partition waits for the answer that is under way, so it must not take long where there is nothing. */
const FETCH_WAIT_MS = 250;
const FETCH_RETRY_MS = 500;
const COMMIT_INTERVAL_MS = 200;
const LAG_INTERVAL_MS = 5_000;
/** Counted for a record beside its key and value. */
const RECORD_BYTES = 128;

export type SourceTopic = 'transactions' | 'labels' | 'unrecorded-decisions';

export type ConsumedRecord = FetchedRecord & { readonly topic: SourceTopic; readonly partition: number };

export type PartitionLag = {
  readonly consumerGroup: string;
  /** With the prefix. */
  readonly topic: string;
  readonly partition: number;
  /** Records behind the commit. */
  readonly lag: number;
};

export type TransactionConsumerOptions = {
  readonly topics?: readonly SourceTopic[];
  readonly bytesMax?: number;
  readonly sessionTimeoutMs?: number;
  readonly onAssignment?: (partitions: readonly TopicPartition[]) => void;
  readonly onTrouble?: (error: Error) => void;
};

type OwnedPartition = TopicPartition & {
  readonly source: SourceTopic;
  readonly progress: PartitionProgress;
  /** Of the next record to fetch. */
  position: number;
  committed: number;
  end: number | undefined;
};

export class TransactionConsumer implements AsyncDisposable {
  readonly #settings: KafkaSettings;
  readonly #options: TransactionConsumerOptions;
  readonly #topics: ReadonlyMap<string, SourceTopic>;
  readonly #member: GroupMember;
  /** Apart from the member: a long fetch, or one that hangs, must not hold up heartbeats. */
  readonly #fetcher: Consumer;
  readonly #owned = new Map<string, OwnedPartition>();
  #ready: ConsumedRecord[] = [];
  readonly #inWork = new Set<ConsumedRecord>();
  #bytes = 0;
  #expansion = FIRST_EXPANSION;
  readonly #busyNodes = new Set<number>();
  #change = Promise.withResolvers<void>();
  #assigning = Promise.resolve();
  #newestAssignment: readonly TopicPartition[] = [];
  #committing: Promise<void> | undefined;
  #fetching: Promise<void> | undefined;
  readonly #lagTimer: NodeJS.Timeout;
  readonly #closing = new AbortController();

  private constructor(settings: KafkaSettings, options: TransactionConsumerOptions) {
    this.#settings = settings;
    this.#options = options;
    const sources: readonly SourceTopic[] = options.topics ?? ['transactions', 'labels'];
    this.#topics = new Map(sources.map((source) => [settings.topicPrefix + source, source]));
    this.#member = new GroupMember(settings, [...this.#topics.keys()], {
      ...(options.sessionTimeoutMs !== undefined && { sessionTimeoutMs: options.sessionTimeoutMs }),
      onAssignment: (partitions) => this.#assign(partitions),
      onTrouble: (error) => this.#options.onTrouble?.(error),
    });
    this.#fetcher = new Consumer({
      ...clientOptions(settings, 'fraud-stream'),
      groupId: settings.consumerGroup,
    });
    this.#fetcher.topics.trackAll(...this.#topics.keys());
    this.#lagTimer = setInterval(() => void this.#learnEnds(), LAG_INTERVAL_MS).unref();
  }

  /**
   * Begins to join the group, and goes on trying where the brokers cannot be reached. It does not wait for that: while the
   * group waits for a member that was killed, a process that does more than consume can be ready.
   */
  static async open(
    settings: KafkaSettings,
    options: TransactionConsumerOptions = {},
  ): Promise<TransactionConsumer> {
    const consumer = new TransactionConsumer(settings, options);
    consumer.#fetching = consumer.#fetchAlways();
    void consumer.#member.join();
    return consumer;
  }

  /** What has come meanwhile, in each partition's order; waits for the first. Undefined once the consumer is closed. */
  async next(recordsMax: number): Promise<readonly ConsumedRecord[] | undefined> {
    while (this.#ready.length === 0) {
      if (this.#closing.signal.aborted) return undefined;
      await this.#change.promise;
    }
    const records = this.#ready.splice(0, recordsMax);
    for (const record of records) this.#inWork.add(record);
    return records;
  }

  /** The effects of these records are durable; they are committed shortly. In any order, but each that `next` gave. */
  done(records: readonly ConsumedRecord[]): void {
    for (const record of records) {
      if (!this.#inWork.delete(record)) continue;
      this.#bytes -= bytesOf(record);
      const topic = this.#settings.topicPrefix + record.topic;
      this.#owned.get(keyOf({ topic, partition: record.partition }))?.progress.finish(record.offset);
    }
    this.#tellChange();
    this.#committing ??= this.#commitSoon();
  }

  /** Of the partitions that are ours, as the brokers and our commits had it some seconds ago. */
  lags(): readonly PartitionLag[] {
    return [...this.#owned.values()].flatMap(({ topic, partition, committed, end }) =>
      end === undefined
        ? []
        : [
            {
              consumerGroup: this.#settings.consumerGroup,
              topic,
              partition,
              lag: Math.max(0, end - committed),
            },
          ],
    );
  }

  /** Commits what is done and leaves the group. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#lagTimer);
    this.#tellChange();
    await Promise.all([this.#fetching, this.#committing, this.#assigning]);
    await this.#commitDone();
    await this.#member[Symbol.asyncDispose]();
    await this.#fetcher.close(true).catch(() => {}); // nothing is lost with its connections
  }

  #assign(partitions: readonly TopicPartition[]): void {
    this.#newestAssignment = partitions;
    this.#forgetAllBut(partitions);
    this.#assigning = this.#assigning.then(() => this.#takeOver(partitions));
    this.#options.onAssignment?.(partitions);
  }

  #forgetAllBut(partitions: readonly TopicPartition[]): void {
    const kept = new Set(partitions.map(keyOf));
    for (const key of this.#owned.keys()) if (!kept.has(key)) this.#forget(key);
  }

  #forget(key: string): void {
    const owned = this.#owned.get(key);
    if (!owned) return;
    this.#owned.delete(key);
    const isOfIt = (record: ConsumedRecord) =>
      record.partition === owned.partition && record.topic === owned.source;
    for (const record of this.#ready) if (isOfIt(record)) this.#bytes -= bytesOf(record);
    this.#ready = this.#ready.filter((record) => !isOfIt(record));
  }

  /** Where the group has committed further than we have done, somebody else had the partition in between. */
  async #takeOver(partitions: readonly TopicPartition[]): Promise<void> {
    const isSuperseded = () => this.#newestAssignment !== partitions || this.#closing.signal.aborted;
    while (!isSuperseded()) {
      try {
        const committed = await this.#member.committedOffsets(partitions);
        if (isSuperseded()) return;
        const offsets = new Map(committed.map((it) => [keyOf(it), it.offset]));
        for (const it of partitions) this.#own(it, offsets.get(keyOf(it)) ?? 0);
        this.#tellChange();
        await this.#learnEnds();
        return;
      } catch (error) {
        this.#options.onTrouble?.(error as Error);
        await this.#pause(FETCH_RETRY_MS);
      }
    }
  }

  /** An offset before the partition's first, as 0 may be, is put right by the fetch. */
  #own({ topic, partition }: TopicPartition, committed: number): void {
    const key = keyOf({ topic, partition });
    const owned = this.#owned.get(key);
    if (owned && committed <= owned.progress.committable) {
      owned.committed = committed;
      return;
    }
    this.#forget(key);
    const source = this.#topics.get(topic)!;
    const progress = new PartitionProgress(committed);
    this.#owned.set(key, {
      topic,
      partition,
      source,
      progress,
      position: committed,
      committed,
      end: undefined,
    });
  }

  get #room(): number {
    return (this.#options.bytesMax ?? BYTES_MAX) - this.#bytes;
  }

  async #fetchAlways(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const change = this.#change.promise;
      try {
        if (this.#room > 0) await this.#startFetches();
      } catch (error) {
        this.#options.onTrouble?.(error as Error);
        await this.#pause(FETCH_RETRY_MS);
        continue;
      }
      await change;
    }
  }

  /** One fetch a broker at a time: from those that have none under way, all that is ours there. */
  async #startFetches(): Promise<void> {
    if (this.#owned.size === 0) return;
    const metadata = await this.#fetcher.metadata({ topics: [...this.#topics.keys()] });
    const places = [...this.#owned.values()].map((owned) => ({ ...owned, offset: owned.position, owned }));
    for (const [node, group] of groupByLeader(places, metadata)) {
      if (this.#busyNodes.has(node)) continue;
      this.#busyNodes.add(node);
      const fitting = Math.floor(this.#room / this.#expansion);
      const bytesMax = Math.min(FETCH_BYTES_MAX, Math.max(FETCH_BYTES_MIN, fitting));
      const limits = { bytesMax, waitMs: FETCH_WAIT_MS };
      void fetchRecords(this.#fetcher, node, group, metadata, limits)
        .then((fetched) => this.#take(fetched))
        .catch((error: Error) => this.#fetchFailed(error))
        .finally(() => {
          this.#busyNodes.delete(node);
          this.#tellChange();
        });
    }
  }

  /** Answers about a partition that is no longer ours, or that was begun anew meanwhile, are passed over. */
  #take(fetched: readonly FetchedPartition[]): void {
    const bytesBefore = this.#bytes;
    let wireBytes = 0;
    for (const { topic, partition, offset, records, nextOffset, wireBytes: bytes } of fetched) {
      const owned = this.#owned.get(keyOf({ topic, partition }));
      if (!owned || owned.position !== offset) continue;
      owned.position = nextOffset;
      wireBytes += bytes;
      for (const record of records) {
        const consumed = { ...record, topic: owned.source, partition };
        owned.progress.handOut(record.offset);
        this.#bytes += bytesOf(consumed);
        this.#ready.push(consumed);
      }
      owned.progress.skipTo(nextOffset);
    }
    if (wireBytes > 0) this.#expansion = Math.max(1, (this.#bytes - bytesBefore) / wireBytes);
  }

  async #fetchFailed(error: Error): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#options.onTrouble?.(error);
    this.#fetcher.clearMetadata();
    await this.#pause(FETCH_RETRY_MS);
  }

  async #commitSoon(): Promise<void> {
    await this.#pause(COMMIT_INTERVAL_MS);
    await this.#commitDone();
    this.#committing = undefined;
    const isBehind = [...this.#owned.values()].some(
      ({ committed, progress }) => committed < progress.committable,
    );
    if (isBehind && !this.#closing.signal.aborted) this.#committing = this.#commitSoon();
  }

  async #commitDone(): Promise<void> {
    const advanced = [...this.#owned.values()]
      .filter(({ committed, progress }) => committed < progress.committable)
      .map((owned) => ({ ...owned, offset: owned.progress.committable }));
    if (advanced.length === 0 || !(await this.#member.commit(advanced))) return;
    for (const { topic, partition, offset } of advanced) {
      const owned = this.#owned.get(keyOf({ topic, partition }));
      if (owned) owned.committed = Math.max(owned.committed, offset);
    }
  }

  async #learnEnds(): Promise<void> {
    try {
      const topics = [...this.#topics.keys()];
      const ends = await this.#fetcher.listOffsets({ topics, timestamp: ListOffsetTimestamps.LATEST });
      for (const owned of this.#owned.values()) {
        owned.end = Number(ends.get(owned.topic)?.[owned.partition] ?? owned.position);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#options.onTrouble?.(error as Error);
    }
  }

  /** Cut short when the consumer is closed. */
  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {});
  }

  #tellChange(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic} ${partition}`;
}

function bytesOf({ key, value }: ConsumedRecord): number {
  return RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}
