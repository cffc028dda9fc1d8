import { statfsSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { ControlDocument } from '../../core/decision/control-document.ts';
import { REACH_MS } from '../../core/features/feature-vector.ts';
import type { LogPosition } from '../../pipeline/event-log.ts';

/** Changes with the layout of what is stored, so that views of another layout are made again. */
const FORMAT = `1 ${JSON.stringify(REACH_MS)}`;

const MAX_DATABASES = 8;

/**
 * Room on the disk without which nothing is written: more than any usual commit takes. LMDB must not find the disk full
 * itself, for the package then writes a message of 105 characters into 100 bytes (lmdb 3.5.6, mdb.c:4743), and in time
 * the damaged heap ends the process.
 */
const ROOM_BYTES = 32 * 1024 * 1024;

/** There is too little room on the disk to write the views down. */
export class ViewDiskFullError extends Error {
  readonly code = 'view-disk-full';
}

/** The views on disk were written by another version of the program. */
export class ViewFormatError extends Error {
  readonly code = 'view-format';
}

/** The LMDB environment that holds the views, and up to where in the log they reach. */
export class ViewEnvironment implements AsyncDisposable {
  readonly users: Database<Buffer, string>;
  readonly terminals: Database<Buffer, string>;
  readonly decisions: Database<Buffer, string>;
  readonly controls: Database<ControlDocument, number>;
  readonly #folder: string;
  readonly #root: RootDatabase;
  readonly #facts: Database<string | number, string>;

  private constructor(folder: string, root: RootDatabase) {
    this.#folder = folder;
    this.#root = root;
    this.users = root.openDB({ name: 'users', encoding: 'binary' });
    this.terminals = root.openDB({ name: 'terminals', encoding: 'binary' });
    this.decisions = root.openDB({ name: 'decisions', encoding: 'binary' });
    this.controls = root.openDB({ name: 'controls', encoding: 'json' });
    this.#facts = root.openDB({ name: 'facts', encoding: 'json' });
  }

  /** Opens or creates the environment in a folder; views of another format are emptied. */
  static async open(folder: string): Promise<ViewEnvironment> {
    // Batches of an event turn would leave a promise that nobody can catch when a commit fails: we make our own.
    const root = open({ path: folder, maxDbs: MAX_DATABASES, eventTurnBatching: false });
    const environment = new ViewEnvironment(folder, root);
    if (!environment.#isOfThisFormat) await environment.empty();
    return environment;
  }

  /** Opens an environment that another process may be writing. @throws ViewFormatError */
  static openReadOnly(folder: string): ViewEnvironment {
    const root = open({ path: folder, maxDbs: MAX_DATABASES, readOnly: true });
    const environment = new ViewEnvironment(folder, root);
    if (environment.#isOfThisFormat) return environment;
    void root.close();
    throw new ViewFormatError(
      `the views in ${folder} are of another version; start the service or run fraud rebuild`,
    );
  }

  /** The log from here on may be missing. */
  get position(): LogPosition {
    return Number(this.#facts.get('position') ?? 0);
  }

  /** What `put` puts is committed as one, after all that was written before. Rejects if nothing of it was. */
  async write(put: () => void): Promise<unknown> {
    this.#assertRoom();
    const committed = this.#root.batch(put);
    committed.catch(ignoreSecondRejection);
    return committed;
  }

  /** @throws ViewDiskFullError */
  #assertRoom(): void {
    const { bavail, bsize } = statfsSync(this.#folder);
    if (bavail * bsize >= ROOM_BYTES) return;
    const text = `less than ${ROOM_BYTES / 1024 / 1024} MiB are left on the disk of ${this.#folder}: no space left to write the views down`;
    throw new ViewDiskFullError(text);
  }

  /** To be written only when everything before this position is committed. */
  putPosition(position: LogPosition): void {
    void this.#facts.put('position', position);
  }

  /** Forgets everything, at once or not at all; the log makes it again. */
  async empty(): Promise<void> {
    await this.write(() => {
      for (const database of [this.users, this.terminals, this.decisions, this.controls])
        void database.clearAsync();
      this.putPosition(0);
      void this.#facts.put('format', FORMAT);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }

  /** Read-only, LMDB gives no database that is not there. */
  get #isOfThisFormat(): boolean {
    const facts: Database<string | number, string> | undefined = this.#facts;
    return facts?.get('format') === FORMAT;
  }
}

/** LMDB gives the reason of a failed commit in a promise of its own, which would end the process if left alone. */
function ignoreSecondRejection(error: { commitError?: Promise<unknown> }): void {
  error.commitError?.catch(() => {});
}
