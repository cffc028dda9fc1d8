import { type FileHandle, open } from 'node:fs/promises';

/** Segments kept open for reading single events: labels and repeats mostly ask for the newest few. */
const OPEN_MAX = 16;

type Opened = { readonly handle: Promise<FileHandle>; readers: number; isKept: boolean };

/** Files open for reading, the least recently used closed when there are too many, and nobody is reading from it. */
export class SegmentHandles implements AsyncDisposable {
  /** In order of use, the newest last. */
  readonly #kept = new Map<string, Opened>();

  /** Lends the file's handle to `read` until it has settled. */
  async lend<Result>(path: string, read: (handle: FileHandle) => Promise<Result>): Promise<Result> {
    const opened = this.#kept.get(path) ?? { handle: open(path, 'r'), readers: 0, isKept: true };
    this.#kept.delete(path);
    this.#kept.set(path, opened);
    opened.readers++;
    try {
      await this.#closeOldest();
      return await read(await opened.handle);
    } catch (error) {
      this.#kept.delete(path);
      opened.isKept = false;
      throw error;
    } finally {
      opened.readers--;
      await closeUnused(opened);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#kept.values()];
    this.#kept.clear();
    for (const opened of all) {
      opened.isKept = false;
      await closeUnused(opened);
    }
  }

  async #closeOldest(): Promise<void> {
    if (this.#kept.size <= OPEN_MAX) return;
    const [path, oldest] = this.#kept.entries().next().value!;
    this.#kept.delete(path);
    oldest.isKept = false;
    await closeUnused(oldest);
  }
}

/** Whoever reads last from a file that is no longer kept closes it. */
async function closeUnused({ handle, readers, isKept }: Opened): Promise<void> {
  if (isKept || readers > 0) return;
  const opened = await handle.catch(() => undefined); // whoever waits for it has been told
  await opened?.close();
}
