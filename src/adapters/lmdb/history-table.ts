import type { Database } from 'lmdb';
import { EntityHistory } from '../../core/features/entity-history.ts';
import type { LogPosition } from '../../pipeline/event-log.ts';

const POSITION_BYTES = 8;
const UNCHANGED = { changes: 0, isUnwritten: false };

export type HistoryEntry = {
  readonly id: string;
  readonly history: EntityHistory;
  /** All events of the log before this position are in the history, as far as it was read from disk. */
  readonly appliedBefore: LogPosition;
  /** Grows with each change, so that a write knows whether it was the last. */
  changes: number;
  /** LMDB does not show the history as it is. */
  isUnwritten: boolean;
};

export type StoredHistory = {
  readonly entry: HistoryEntry;
  readonly changes: number;
  readonly value: Buffer;
};

/**
 * The histories of one kind of entity: those in use in memory, all others in LMDB. A stored value is the log position
 * that it reflects (float64) and then the history's bytes.
 *
 * A changed history stays in memory (`#unwritten`) until LMDB has committed it, because LMDB does not show what it has
 * not committed. Of the others the least recently used go: a generation is dropped when the next one is full. So there
 * is never more than one entry of an id that can still change.
 */
export class HistoryTable {
  readonly #database: Database<Buffer, string>;
  readonly #reachMs: number;
  readonly #generationSize: number;
  #young = new Map<string, HistoryEntry>();
  #old = new Map<string, HistoryEntry>();
  readonly #unwritten = new Map<string, HistoryEntry>();

  /** @param generationSize histories in one generation; the table keeps at most twice as many in memory, and the unwritten */
  constructor(database: Database<Buffer, string>, reachMs: number, generationSize: number) {
    this.#database = database;
    this.#reachMs = reachMs;
    this.#generationSize = generationSize;
  }

  get(id: string): HistoryEntry {
    const young = this.#young.get(id);
    if (young) return young;
    const entry = this.#old.get(id) ?? this.#unwritten.get(id) ?? this.#load(id);
    if (this.#young.size >= this.#generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(id, entry);
    return entry;
  }

  changed(entry: HistoryEntry): void {
    entry.changes++;
    if (entry.isUnwritten) return;
    entry.isUnwritten = true;
    this.#unwritten.set(entry.id, entry);
  }

  /** The ids of all histories that LMDB does not show as they are. */
  unwrittenIds(): IterableIterator<string> {
    return this.#unwritten.keys();
  }

  get unwrittenCount(): number {
    return this.#unwritten.size;
  }

  /**
   * The history as it is now, to be put once the log before `position` is durable; undefined if it was written since
   * its id was asked for.
   */
  copy(id: string, position: LogPosition): StoredHistory | undefined {
    const entry = this.#unwritten.get(id);
    if (!entry) return undefined;
    const bytes = entry.history.toBytes();
    const value = Buffer.allocUnsafe(POSITION_BYTES + bytes.length);
    value.writeDoubleLE(position, 0);
    value.set(bytes, POSITION_BYTES);
    return { entry, changes: entry.changes, value };
  }

  put({ entry, value }: StoredHistory): void {
    void this.#database.put(entry.id, value);
  }

  /** LMDB shows the stored history from now on. */
  written({ entry, changes }: StoredHistory): void {
    const isNewest = this.#unwritten.get(entry.id) === entry && entry.changes === changes;
    if (!isNewest) return;
    entry.isUnwritten = false;
    this.#unwritten.delete(entry.id);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#unwritten.clear();
  }

  #load(id: string): HistoryEntry {
    // Valid until the next read, and in a larger buffer: its length is its own, `subarray` alone would go on.
    const value = this.#database.getBinaryFast(id);
    if (!value) return { id, history: new EntityHistory(this.#reachMs), appliedBefore: 0, ...UNCHANGED };
    const history = new EntityHistory(this.#reachMs, value.subarray(POSITION_BYTES, value.length));
    return { id, history, appliedBefore: value.readDoubleLE(0), ...UNCHANGED };
  }
}
