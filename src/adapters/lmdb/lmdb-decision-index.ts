import type { Database } from 'lmdb';
import type { Decision } from '../../core/decision/decision.ts';
import type { TransactionId } from '../../core/transaction/ids.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { DecisionIndex, IndexedDecision } from '../../pipeline/decision-index.ts';
import type { LogPosition, PositionedEventLog } from '../../pipeline/event-log.ts';

export type IndexEntry = {
  readonly id: TransactionId;
  readonly position: LogPosition;
  readonly label: IndexedDecision['label'];
};

/**
 * Transaction id to the decision's place in the log, and what became known since.
 * A stored value is the position (float64) and, after a label, 0 or 1 (one byte) and when it was known (float64).
 */
export class LmdbDecisionIndex implements DecisionIndex {
  readonly #database: Database<Buffer, string>;
  readonly #eventLog: Pick<PositionedEventLog, 'readAt'>;
  /** Entries that LMDB does not show yet. */
  readonly #unwritten = new Map<TransactionId, IndexEntry>();
  /** Entries added since the last `seal`. */
  #open: IndexEntry[] = [];
  /** Decisions from here on are not durable, and not to be found. */
  #durableEnd: LogPosition = 0;

  constructor(database: Database<Buffer, string>, eventLog: Pick<PositionedEventLog, 'readAt'>) {
    this.#database = database;
    this.#eventLog = eventLog;
  }

  /** A decision that is not durable yet is not found; a label that is not, is. */
  async find(ids: readonly TransactionId[]): Promise<readonly (IndexedDecision | undefined)[]> {
    const found = new Array<IndexedDecision | undefined>(ids.length).fill(undefined);
    for (let index = 0; index < ids.length; index++) {
      const entry = this.#entry(ids[index]);
      if (entry && this.#isDurable(entry)) found[index] = await this.#read(entry);
    }
    return found;
  }

  /** One process decides, in one lane: nobody else can have been faster. */
  async claim(decisions: readonly Decision[]): Promise<readonly Decision[]> {
    return decisions;
  }

  confirm(): void {}

  /** The view has taken them from the log. */
  async addLabels(): Promise<void> {}

  tookDecisions(decisions: readonly Decision[], positions: readonly LogPosition[]): void {
    decisions.forEach(({ transaction }, index) => {
      this.#add({ id: transaction.transactionId, position: positions[index], label: undefined });
    });
  }

  tookLabels(labels: readonly KnownLabel[]): void {
    for (const { transactionId: id, isFraud, knownAtMs } of labels) {
      const entry = this.#entry(id);
      if (entry) this.#add({ ...entry, label: { isFraud, knownAtMs } });
    }
  }

  /** Adds a decision that may be there already, keeping a label that came later. */
  restoreDecision(decision: Decision, position: LogPosition): void {
    const id = decision.transaction.transactionId;
    if (!this.#entry(id)) this.#add({ id, position, label: undefined });
  }

  /** The entries added since the last call, for `put` once their events are durable. */
  seal(): readonly IndexEntry[] {
    const sealed = this.#open;
    if (sealed.length > 0) this.#open = [];
    return sealed;
  }

  /** All decisions before `end` are durable. */
  landed(end: LogPosition): void {
    this.#durableEnd = Math.max(this.#durableEnd, end);
  }

  put(entries: readonly IndexEntry[]): void {
    for (const entry of entries) void this.#database.put(entry.id, encode(entry));
  }

  /** LMDB shows these entries from now on. */
  written(entries: readonly IndexEntry[]): void {
    for (const entry of entries) {
      if (this.#unwritten.get(entry.id) === entry) this.#unwritten.delete(entry.id);
    }
  }

  clear(): void {
    this.#unwritten.clear();
    this.#open = [];
  }

  #add(entry: IndexEntry): void {
    this.#unwritten.set(entry.id, entry);
    this.#open.push(entry);
  }

  #entry(id: TransactionId): IndexEntry | undefined {
    const unwritten = this.#unwritten.get(id);
    if (unwritten) return unwritten;
    const value = this.#database.getBinaryFast(id);
    return value && decode(id, value);
  }

  #isDurable(entry: IndexEntry): boolean {
    return entry.position < this.#durableEnd || !this.#unwritten.has(entry.id);
  }

  async #read({ position, label }: IndexEntry): Promise<IndexedDecision> {
    const event = await this.#eventLog.readAt(position);
    if (event.kind !== 'decision')
      throw new Error(`the index points to a ${event.kind} at ${position}; run fraud rebuild`);
    return { decision: event.decision, label, isLogged: true };
  }
}

function encode({ position, label }: IndexEntry): Buffer {
  const value = Buffer.allocUnsafe(label ? 17 : 8);
  value.writeDoubleLE(position, 0);
  if (label) {
    value.writeUInt8(Number(label.isFraud), 8);
    value.writeDoubleLE(label.knownAtMs, 9);
  }
  return value;
}

function decode(id: TransactionId, value: Buffer): IndexEntry {
  const position = value.readDoubleLE(0);
  if (value.length === 8) return { id, position, label: undefined };
  return { id, position, label: { isFraud: value.readUInt8(8) === 1, knownAtMs: value.readDoubleLE(9) } };
}
