/**
 * Decisions in Redis, each for some days: by then a repeated transaction is no retry any more.
 *
 *     decision:<id>   0 claimed, 1 logged (one byte) | the decision as the log encodes it
 *     label:<id>      0 legitimate, 1 fraud (one byte) | known at, milliseconds since 1970 (float64, little-endian)
 *
 * A claim is `SET NX GET`: the first one stands, everybody else is given what stands. Redis 7 allows the two together.
 */
import type { Decision } from '../../core/decision/decision.ts';
import type { TransactionId } from '../../core/transaction/ids.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { DecisionIndex, IndexedDecision } from '../../pipeline/decision-index.ts';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import { ByteReader } from '../segment-log/byte-reader.ts';
import { ByteWriter } from '../segment-log/byte-writer.ts';
import { decodeEvent, encodedBytesMax, encodeEvent } from '../segment-log/event-codec.ts';
import type { Command, RedisServers, Reply } from './redis-servers.ts';

export type RedisDecisionIndexOptions = {
  readonly keyPrefix: string;
  readonly findMs: number;
  readonly claimMs: number;
  readonly labelMs: number;
  /** A decision is found for so long. */
  readonly decisionSeconds: number;
};

type Label = NonNullable<IndexedDecision['label']>;

export const CLAIMED = 0;
export const LOGGED = 1;
const LABEL_BYTES = 9;
/** Nobody waits for a confirmation, but a server that does not answer for so long is away. */
const CONFIRM_MS = 1_000;

export class RedisDecisionIndex implements DecisionIndex {
  readonly #servers: RedisServers;
  readonly #options: RedisDecisionIndexOptions;
  readonly #expiry: readonly string[];

  constructor(servers: RedisServers, options: RedisDecisionIndexOptions) {
    this.#servers = servers;
    this.#options = options;
    this.#expiry = ['EX', String(options.decisionSeconds)];
  }

  /** Nearly all ids that are asked for are new, and what is new has no label: these are asked for in a second round trip. */
  async find(ids: readonly TransactionId[]): Promise<readonly (IndexedDecision | undefined)[]> {
    if (ids.length === 0) return [];
    const decisions = await this.#get(ids.map((id) => this.#decisionKey(id)));
    const known = ids.filter((_id, index) => decisions[index] !== null);
    const labels = known.length === 0 ? [] : await this.#get(known.map((id) => this.#labelKey(id)));
    let next = 0;
    return decisions.map((decision) => (decision === null ? undefined : indexedOf(decision, labels[next++])));
  }

  async claim(decisions: readonly Decision[]): Promise<readonly Decision[]> {
    if (decisions.length === 0) return [];
    const values = encodeDecisions(decisions, CLAIMED);
    const commands = decisions.map(
      (decision, index): Command => [
        'SET',
        this.#decisionKey(decision.transaction.transactionId),
        values[index],
        'NX',
        'GET',
        ...this.#expiry,
      ],
    );
    const { claimMs } = this.#options;
    const replies = await this.#servers.run(commands, { deadlineMs: claimMs, isWrite: true });
    return decisions.map((decision, index) => {
      const standing = replies[index];
      return standing === null ? decision : decodeDecision(standing).decision;
    });
  }

  /**
   * Writes each decision once more, now as logged: SETRANGE of the first byte would make a key of one byte where the
   * decision has expired or Redis has lost it, XX does not.
   */
  confirm(decisions: readonly Decision[]): void {
    if (decisions.length === 0) return;
    const values = encodeDecisions(decisions, LOGGED);
    const commands = decisions.map(
      (decision, index): Command => [
        'SET',
        this.#decisionKey(decision.transaction.transactionId),
        values[index],
        'XX',
        'KEEPTTL',
      ],
    );
    this.#servers.run(commands, { deadlineMs: CONFIRM_MS, isWrite: true }).catch(() => {}); // logged once more, maybe
  }

  async addLabels(labels: readonly KnownLabel[]): Promise<void> {
    if (labels.length === 0) return;
    const commands = labels.map(
      (label): Command => ['SET', this.#labelKey(label.transactionId), encodeLabel(label), ...this.#expiry],
    );
    await this.#servers.run(commands, { deadlineMs: this.#options.labelMs, isWrite: true });
  }

  #get(keys: readonly string[]): Promise<readonly Reply[]> {
    const commands = keys.map((key): Command => ['GET', key]);
    return this.#servers.run(commands, { deadlineMs: this.#options.findMs, isWrite: false });
  }

  #decisionKey(id: TransactionId): string {
    return `${this.#options.keyPrefix}decision:${id}`;
  }

  #labelKey(id: TransactionId): string {
    return `${this.#options.keyPrefix}label:${id}`;
  }
}

/** The values of decisions, in memory that stays as it is until it was sent. */
export function encodeDecisions(decisions: readonly Decision[], status: number): Buffer[] {
  const events = decisions.map((decision) => ({ kind: 'decision', decision }) as const);
  const writer = new ByteWriter(events.reduce((bytes, event) => bytes + 1 + encodedBytesMax(event), 0));
  return events.map((event) => {
    const start = writer.offset;
    writer.uint8(status);
    encodeEvent(event, writer);
    return writer.bytes.subarray(start, writer.offset);
  });
}

export function encodeLabel({ isFraud, knownAtMs }: Label): Buffer {
  const value = Buffer.allocUnsafe(LABEL_BYTES);
  value.writeUInt8(Number(isFraud), 0);
  value.writeDoubleLE(knownAtMs, 1);
  return value;
}

function indexedOf(decision: Reply, label: Reply): IndexedDecision {
  return { ...decodeDecision(decision), label: label === null ? undefined : decodeLabel(label) };
}

function decodeDecision(value: Reply): Omit<IndexedDecision, 'label'> {
  try {
    const reader = new ByteReader(value as Buffer);
    const isLogged = reader.uint8() === LOGGED;
    const event = decodeEvent(reader);
    if (event.kind === 'decision') return { decision: event.decision, isLogged };
    throw new TypeError(`a ${event.kind} where a decision should be`);
  } catch (cause) {
    throw new StoreUnavailableError('a decision in Redis is damaged; run fraud rebuild', { cause });
  }
}

function decodeLabel(value: Reply): Label {
  const bytes = value as Buffer;
  return { isFraud: bytes.readUInt8(0) === 1, knownAtMs: bytes.readDoubleLE(1) };
}
