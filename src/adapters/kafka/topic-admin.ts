/** Creates topics that are missing, and says in words where those that are there differ. It never changes a topic. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  Admin,
  type ClusterMetadata,
  ConfigResourceTypes,
  findErrorBy,
  MultipleErrors,
} from '@platformatic/kafka';
import { clientOptions } from './client-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { TOPICS, type TopicName, topicConfiguration } from './topics.ts';

/** Where there are so many brokers, each record is on three of them, and two must have it before it counts. */
const REPLICAS = 3;
const IN_SYNC_REPLICAS = 2;
/** A broker that is starting may answer before it knows of all topics; a person waits longer than a decision. */
const ADMIN_RETRIES = 20;
const KNOWN_WITHIN_MS = 15_000;
const KNOWN_POLL_MS = 50;

export type TopicState = {
  /** With the prefix. */
  readonly topic: string;
  readonly state: 'as-wanted' | 'differs' | 'missing' | 'created';
  /** A sentence each; empty unless it differs. */
  readonly differences: readonly string[];
};

type Replication = { readonly replicas: number; readonly inSyncReplicas: number };

type Found = {
  readonly partitions: number;
  readonly replicas: number;
  readonly configuration: ReadonlyMap<string, string>;
};

export class TopicAdmin implements AsyncDisposable {
  readonly #settings: KafkaSettings;
  readonly #admin: Admin;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
    this.#admin = new Admin({ ...clientOptions(settings, 'fraud-topics'), retries: ADMIN_RETRIES });
  }

  /** What is there of our topics, and how it differs from what should be. Rejects with the library's errors. */
  async check(): Promise<readonly TopicState[]> {
    const replication = await this.#replication();
    const found = await this.#describe();
    return Object.entries(TOPICS).map(([name, wanted]) => {
      const topic = this.#nameOf(name);
      const there = found.get(topic);
      if (there === undefined) return { topic, state: 'missing', differences: [] };
      const differences = differencesOf(
        { partitions: wanted.partitions, replicas: replication.replicas },
        topicConfiguration(wanted, replication.inSyncReplicas),
        there,
      );
      return { topic, state: differences.length === 0 ? 'as-wanted' : 'differs', differences };
    });
  }

  /** Makes the topics that are missing, waits until the brokers know them, and checks the others. */
  async create(): Promise<readonly TopicState[]> {
    const { replicas, inSyncReplicas } = await this.#replication();
    const states: TopicState[] = [];
    for (const state of await this.check()) {
      if (state.state === 'missing') {
        const name = state.topic.slice(this.#settings.topicPrefix.length) as TopicName;
        await this.#createOne(name, { replicas, inSyncReplicas });
      }
      states.push(state.state === 'missing' ? { ...state, state: 'created' } : state);
    }
    await this.#untilKnown(states.map(({ topic }) => topic));
    return states;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.close();
  }

  async #createOne(name: TopicName, { replicas, inSyncReplicas }: Replication): Promise<void> {
    const configuration = topicConfiguration(TOPICS[name], inSyncReplicas);
    try {
      await this.#admin.createTopics({
        topics: [{ topic: this.#nameOf(name), partitions: TOPICS[name].partitions, replicas }],
        configs: Object.entries(configuration).map(([setting, value]) => ({ name: setting, value })),
      });
    } catch (error) {
      // Another process was faster, or the broker that we asked did not know of it yet.
      if (!findErrorBy(error as never, 'apiId', 'TOPIC_ALREADY_EXISTS')) throw error;
    }
  }

  /** The controller makes a topic; the brokers hear of it a moment later. */
  async #untilKnown(topics: readonly string[]): Promise<void> {
    const untilMs = performance.now() + KNOWN_WITHIN_MS;
    for (;;) {
      const known = new Set(await this.#admin.listTopics());
      const unknown = topics.find((topic) => !known.has(topic));
      if (unknown === undefined) return;
      if (performance.now() > untilMs)
        throw new Error(`${unknown} was created, but the brokers do not know it`);
      await delay(KNOWN_POLL_MS);
    }
  }

  #nameOf(name: string): string {
    return this.#settings.topicPrefix + name;
  }

  async #replication(): Promise<Replication> {
    const { brokers } = await this.#admin.metadata({ topics: [], forceUpdate: true });
    return brokers.size >= REPLICAS
      ? { replicas: REPLICAS, inSyncReplicas: IN_SYNC_REPLICAS }
      : { replicas: 1, inSyncReplicas: 1 };
  }

  async #describe(): Promise<ReadonlyMap<string, Found>> {
    const all = new Set(await this.#admin.listTopics());
    const topics = Object.keys(TOPICS)
      .map((name) => this.#nameOf(name))
      .filter((topic) => all.has(topic));
    if (topics.length === 0) return new Map();
    const metadata = await this.#admin.metadata({ topics: [...topics], forceUpdate: true });
    const described = await this.#admin.describeConfigs({
      resources: topics.map((resourceName) => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName })),
    });
    return new Map(
      described.map(({ resourceName, configs }) => {
        const configuration = new Map(configs.map(({ name, value }) => [name, value ?? '']));
        return [resourceName, { ...shapeOf(resourceName, metadata), configuration }];
      }),
    );
  }
}

/** Why an administrative request failed, as the brokers said it. */
export function adminFailure(error: unknown): string {
  if (!(error instanceof MultipleErrors)) return error instanceof Error ? error.message : String(error);
  const messages = error.errors.map(adminFailure);
  return [...new Set(messages.length === 0 ? [error.message] : messages)].join('; ');
}

function shapeOf(topic: string, metadata: ClusterMetadata): Pick<Found, 'partitions' | 'replicas'> {
  const { partitions, partitionsCount } = metadata.topics.get(topic)!;
  return { partitions: partitionsCount, replicas: Math.min(...partitions.map((it) => it.replicas.length)) };
}

function differencesOf(
  wanted: { readonly partitions: number; readonly replicas: number },
  configuration: Readonly<Record<string, string>>,
  found: Found,
): readonly string[] {
  const differences: string[] = [];
  if (found.partitions !== wanted.partitions) {
    differences.push(
      `it has ${inPartitions(found.partitions)} instead of ${wanted.partitions}; the partition of a user depends on it`,
    );
  }
  if (found.replicas < wanted.replicas) {
    differences.push(`a partition of it is on ${found.replicas} brokers instead of ${wanted.replicas}`);
  }
  for (const [name, value] of Object.entries(configuration)) {
    const there = found.configuration.get(name);
    if (there !== value && !isMore(name, there, value)) {
      differences.push(`its ${name} is ${there ?? 'not known'} instead of ${value}`);
    }
  }
  return differences;
}

/** Keeping longer, taking larger messages and asking for more copies harms nothing. */
function isMore(name: string, there: string | undefined, wanted: string): boolean {
  if (!['retention.ms', 'max.message.bytes', 'min.insync.replicas'].includes(name)) return false;
  const endless = (text: string | undefined) => (text === '-1' ? Number.POSITIVE_INFINITY : Number(text));
  return endless(there) > endless(wanted);
}

function inPartitions(count: number): string {
  return count === 1 ? '1 partition' : `${count} partitions`;
}
