/** The topics, as docs/decisions/0005 explains them. Users keep their partition: all that is keyed by user has as many. */
const PARTITIONS = 12;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Above the longest feature window (37 days), and as long as a silent user's history is kept. */
const EVENT_LOG_RETENTION_MS = 90 * DAY_MS;
const MESSAGE_BYTES_MAX = 1_048_576;

export type TopicSpecification = {
  readonly partitions: number;
  /** -1 keeps for ever. */
  readonly retentionMs: number;
  readonly cleanupPolicy: 'delete' | 'compact';
};

export const TOPICS = {
  transactions: { partitions: PARTITIONS, retentionMs: 7 * DAY_MS, cleanupPolicy: 'delete' },
  labels: { partitions: PARTITIONS, retentionMs: 7 * DAY_MS, cleanupPolicy: 'delete' },
  predictions: { partitions: PARTITIONS, retentionMs: EVENT_LOG_RETENTION_MS, cleanupPolicy: 'delete' },
  'history-events': { partitions: PARTITIONS, retentionMs: EVENT_LOG_RETENTION_MS, cleanupPolicy: 'delete' },
  'unrecorded-decisions': { partitions: PARTITIONS, retentionMs: 7 * DAY_MS, cleanupPolicy: 'delete' },
  control: { partitions: 1, retentionMs: -1, cleanupPolicy: 'compact' },
  'feature-updates': { partitions: PARTITIONS, retentionMs: HOUR_MS, cleanupPolicy: 'delete' },
  'transactions-dead-letter': { partitions: PARTITIONS, retentionMs: 30 * DAY_MS, cleanupPolicy: 'delete' },
} as const satisfies Record<string, TopicSpecification>;

export type TopicName = keyof typeof TOPICS;

/**
 * `producer`: batches stay as they came, which is lz4 from us. The broker would otherwise open and pack again what others
 * send packed differently.
 */
const COMPRESSION = 'producer';

/** The settings that a topic is created with and checked for, by their names in Kafka. */
export function topicConfiguration(
  specification: TopicSpecification,
  inSyncReplicas: number,
): Readonly<Record<string, string>> {
  return {
    'cleanup.policy': specification.cleanupPolicy,
    'retention.ms': String(specification.retentionMs),
    'compression.type': COMPRESSION,
    'max.message.bytes': String(MESSAGE_BYTES_MAX),
    'min.insync.replicas': String(inSyncReplicas),
  };
}
