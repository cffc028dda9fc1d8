/**
 * Membership in a consumer group: which partitions are ours, and the commits that this gives a right to.
 *
 * The group is rebalanced cooperatively: who keeps a partition goes on with it meanwhile. Commits carry the generation and the
 * member that they were earned in, so that the broker refuses those of a membership that has ended. The library's own commit
 * is not used: it joins again and then commits the old offsets in the new generation, where the partition may be another
 * member's, whose commit would go back by it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  COOPERATIVE_STICKY_ASSIGNOR,
  Consumer,
  type GroupAssignment,
  offsetCommitV8,
} from '@platformatic/kafka';
import { clientOptions } from './client-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** After so long without a heartbeat a member's partitions go to others. */
const SESSION_TIMEOUT_MS = 10_000;
/** How soon a member learns that the group is being rebalanced. */
const HEARTBEAT_INTERVAL_MS = 1_000;
/** A join is answered when all members have joined, or have been given up. */
const JOIN_ANSWER_MS = 5_000;
const REJOIN_DELAY_MS = 1_000;
const LEAVE_WITHIN_MS = 1_000;
const PROTOCOL_VERSION = 3;
const NO_OFFSET = -1;

export type TopicPartition = { readonly topic: string; readonly partition: number };
export type PartitionOffset = TopicPartition & { readonly offset: number };

export type GroupMemberOptions = {
  readonly sessionTimeoutMs?: number;
  /** Told at each change, also that there are none. */
  readonly onAssignment: (partitions: readonly TopicPartition[]) => void;
  /** Told of what goes wrong; the member itself goes on trying. */
  readonly onTrouble: (error: Error) => void;
};

type Membership = { readonly memberId: string; readonly generationId: number };

export class GroupMember implements AsyncDisposable {
  readonly #consumer: Consumer;
  readonly #options: GroupMemberOptions;
  readonly #topics: readonly string[];
  #membership: Membership | undefined;
  #rejoining: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(settings: KafkaSettings, topics: readonly string[], options: GroupMemberOptions) {
    const sessionTimeout = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    this.#options = options;
    this.#topics = topics;
    this.#consumer = new Consumer({
      ...clientOptions(settings, 'fraud-stream'),
      requestTimeout: sessionTimeout + JOIN_ANSWER_MS,
      groupId: settings.consumerGroup,
      sessionTimeout,
      rebalanceTimeout: sessionTimeout,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      protocols: [{ name: COOPERATIVE_STICKY_ASSIGNOR, version: PROTOCOL_VERSION }],
      autocommit: false,
    });
    this.#consumer.topics.trackAll(...topics);
    this.#consumer.on('consumer:group:join', () => this.#joined());
    this.#consumer.on('consumer:group:rebalance', () => this.#tellAssignment());
    // Emitted when a rejoin has failed for good; without a listener it would end the process.
    this.#consumer.on('error', (error: Error) => this.#rejoinLater(error));
  }

  /** Joins now, or as soon as the coordinator can be reached. */
  async join(): Promise<void> {
    try {
      await this.#consumer.joinGroup();
    } catch (error) {
      this.#rejoinLater(error as Error);
    }
  }

  /** What the group has committed of these partitions; those without a commit are left out. */
  async committedOffsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionOffset[]> {
    if (partitions.length === 0) return [];
    const byTopic = Map.groupBy(partitions, ({ topic }) => topic);
    const topics = [...byTopic].map(([topic, group]) => ({
      topic,
      partitions: group.map(({ partition }) => partition),
    }));
    const committed = await this.#consumer.listCommittedOffsets({ topics });
    return partitions.flatMap(({ topic, partition }) => {
      const offset = Number(committed.get(topic)?.[partition] ?? NO_OFFSET);
      return offset < 0 ? [] : [{ topic, partition, offset }];
    });
  }

  /** False if it was not committed, as when the group has gone on without us. Only of partitions that are ours now. */
  async commit(offsets: readonly PartitionOffset[]): Promise<boolean> {
    const membership = this.#membership;
    if (membership === undefined || !this.#isCurrent(membership)) return false;
    try {
      await this.#commitAs(membership, offsets);
      return true;
    } catch (error) {
      this.#options.onTrouble(error as Error);
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#rejoining);
    const leaving = this.#consumer.close(true).catch(() => {}); // the group gives us up by itself
    await Promise.race([leaving, delay(LEAVE_WITHIN_MS, undefined, { ref: false })]);
    // A leave waits behind a join on its connection, and that for members that were killed.
    await this.#consumer.connections.close().catch(() => {});
  }

  async #commitAs(
    { memberId, generationId }: Membership,
    offsets: readonly PartitionOffset[],
  ): Promise<void> {
    const coordinator = await this.#consumer.findGroupCoordinator();
    const { brokers } = await this.#consumer.metadata({ topics: [...this.#topics] });
    const broker = brokers.get(coordinator);
    if (broker === undefined) throw new Error('the group’s coordinator is not known');
    const connection = await this.#consumer.connections.get(broker);
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, group]) => ({
      name,
      partitions: group.map(({ partition, offset }) => ({
        partitionIndex: partition,
        committedOffset: BigInt(offset),
        committedLeaderEpoch: -1,
        committedMetadata: null,
      })),
    }));
    const { groupId } = this.#consumer;
    await offsetCommitV8.api.async(connection, groupId, generationId, memberId, null, topics);
  }

  #joined(): void {
    const { memberId, generationId } = this.#consumer;
    this.#membership = memberId === null ? undefined : { memberId, generationId };
    this.#tellAssignment();
  }

  /** While we join anew the library has the next generation already, but the partitions still of the one before. */
  #isCurrent({ memberId, generationId }: Membership): boolean {
    return this.#consumer.memberId === memberId && this.#consumer.generationId === generationId;
  }

  #tellAssignment(): void {
    if (this.#isClosed) return;
    const assignments: readonly GroupAssignment[] = this.#consumer.assignments ?? [];
    this.#options.onAssignment(
      assignments.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))),
    );
  }

  #rejoinLater(error: Error): void {
    if (this.#isClosed) return;
    this.#options.onTrouble(error);
    clearTimeout(this.#rejoining);
    this.#rejoining = setTimeout(() => void this.join(), REJOIN_DELAY_MS);
  }
}
