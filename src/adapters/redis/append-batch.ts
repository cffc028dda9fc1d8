import { RECORD_BYTES, RECORD_WORDS } from '../../core/features/record.ts';
import { SharedHistory } from '../../core/features/shared-history.ts';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import type { Command, Reply } from './redis-servers.ts';

/** An entity that a batch appends to, and then its history as it was read. */
export type AppendedEntity = {
  readonly key: string;
  readonly reachMs: number;
  /** Offsets of its records in the batch's bytes. */
  readonly offsets: number[];
  bytes: Buffer;
  history: SharedHistory;
};

/** Where a record goes: room for it, to be filled before the commands are made, and its entity. */
export type Place = { readonly entity: AppendedEntity; readonly record: Uint32Array };

/** The records of one batch of transactions or labels, by entity. */
export class AppendBatch {
  readonly #keyPrefix: string;
  readonly #words: Uint32Array;
  readonly #byKey = new Map<string, AppendedEntity>();
  #wordCount = 0;

  constructor(keyPrefix: string, recordsMax: number) {
    this.#keyPrefix = keyPrefix;
    this.#words = new Uint32Array(recordsMax * RECORD_WORDS);
  }

  get entities(): IterableIterator<AppendedEntity> {
    return this.#byKey.values();
  }

  add(kind: 'user' | 'terminal', id: string, reachMs: number): Place {
    const key = `${this.#keyPrefix}${kind}:${id}`;
    let entity = this.#byKey.get(key);
    if (entity === undefined) {
      entity = { key, reachMs, offsets: [], bytes: NOTHING, history: NO_HISTORY };
      this.#byKey.set(key, entity);
    }
    const start = this.#wordCount;
    this.#wordCount += RECORD_WORDS;
    entity.offsets.push(start * 4);
    return { entity, record: this.#words.subarray(start, this.#wordCount) };
  }

  /** First all that is appended, then all that is read, which puts off the histories' expiry. */
  commands(expireSeconds: number): Command[] {
    const commands: Command[] = [];
    const seconds = String(expireSeconds);
    for (const { key, offsets } of this.#byKey.values())
      commands.push(['APPEND', key, this.#recordsAt(offsets)]);
    for (const { key } of this.#byKey.values()) commands.push(['GETEX', key, 'EX', seconds]);
    return commands;
  }

  /** @throws StoreUnavailableError if a history is gone or no history */
  read(replies: readonly Reply[]): void {
    let index = this.#byKey.size;
    for (const entity of this.#byKey.values()) {
      const bytes = replies[index++];
      if (!Buffer.isBuffer(bytes))
        throw new StoreUnavailableError('a history is gone right after it was written');
      entity.bytes = bytes;
      entity.history = historyOf(bytes, entity.reachMs);
    }
  }

  #recordsAt(offsets: readonly number[]): Buffer {
    const records = offsets.map((offset) => Buffer.from(this.#words.buffer, offset, RECORD_BYTES));
    return records.length === 1 ? records[0] : Buffer.concat(records);
  }
}

const NOTHING = Buffer.alloc(0);
const NO_HISTORY = new SharedHistory(0, NOTHING);

function historyOf(bytes: Buffer, reachMs: number): SharedHistory {
  try {
    return new SharedHistory(reachMs, bytes);
  } catch (cause) {
    throw new StoreUnavailableError('a history in Redis is damaged; run fraud rebuild', { cause });
  }
}
