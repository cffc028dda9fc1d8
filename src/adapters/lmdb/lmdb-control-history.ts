import type { Database } from 'lmdb';
import type { ControlDocument } from '../../core/decision/control-document.ts';
import type { ControlHistory } from '../../pipeline/control-history.ts';

/** There are few control documents, so all are in memory; LMDB keeps them for the next start. */
export class LmdbControlHistory implements ControlHistory {
  readonly #database: Database<ControlDocument, number>;
  readonly #documents = new Map<number, ControlDocument>();
  /** Documents added since the last `seal`. */
  #open: ControlDocument[] = [];

  constructor(database: Database<ControlDocument, number>) {
    this.#database = database;
    this.#load();
  }

  get latest(): ControlDocument | undefined {
    return this.#documents.get(Math.max(...this.#documents.keys()));
  }

  find(version: number): ControlDocument | undefined {
    return this.#documents.get(version);
  }

  add(control: ControlDocument): void {
    this.#documents.set(control.version, control);
    this.#open.push(control);
  }

  /** The documents added since the last call, for `put` once they are durable. */
  seal(): readonly ControlDocument[] {
    const sealed = this.#open;
    if (sealed.length > 0) this.#open = [];
    return sealed;
  }

  put(controls: readonly ControlDocument[]): void {
    for (const control of controls) void this.#database.put(control.version, control);
  }

  /** Forgets what is not on disk. */
  reset(): void {
    this.#documents.clear();
    this.#open = [];
    this.#load();
  }

  #load(): void {
    for (const { key, value } of this.#database.getRange()) this.#documents.set(key, value);
  }
}
