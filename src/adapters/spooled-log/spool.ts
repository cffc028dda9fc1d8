/**
 * Events on this machine's disk that wait to be forwarded: an embedded log with a cursor.
 *
 *     events/0000000004194560.log ...   segments; whole ones before the cursor are deleted
 *     forwarded.json                    the cursor: everything before this position has been forwarded
 *
 * The cursor is written behind the forwarding, so that after a crash some events are forwarded again, and none is missed.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Appended, LogEvent, LoggedEvent, LogPosition } from '../../pipeline/event-log.ts';
import { listSegmentStarts, segmentPath, syncDirectory } from '../segment-log/segment-files.ts';
import { openSegmentLog, type SegmentLog } from '../segment-log/segment-log.ts';

/** What stays on disk when all is forwarded is below this. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const EVENTS_FOLDER = 'events';
const CURSOR_FILE = 'forwarded.json';

export class Spool implements AsyncDisposable {
  readonly #directory: string;
  readonly #log: SegmentLog;
  #forwarded: LogPosition;
  #keeping: Promise<void> | undefined;

  private constructor(directory: string, log: SegmentLog, forwarded: LogPosition) {
    this.#directory = directory;
    this.#log = log;
    this.#forwarded = forwarded;
  }

  /** Opens the spool in this directory, which is ours alone, and is made if it is missing. Throws as `openSegmentLog`. */
  static async open(directory: string, { segmentBytes = SEGMENT_BYTES } = {}): Promise<Spool> {
    const events = join(directory, EVENTS_FOLDER);
    await mkdir(events, { recursive: true });
    await syncDirectory(directory);
    const log = await openSegmentLog(events, { segmentBytes });
    const [first = 0] = await listSegmentStarts(events);
    const forwarded = Math.max(first, Math.min(await readCursor(directory), log.end));
    return new Spool(directory, log, forwarded);
  }

  /** As of the event log; positions are those of the spool. */
  append(events: readonly LogEvent[]): Appended {
    return this.#log.append(events);
  }

  get end(): LogPosition {
    return this.#log.end;
  }

  get durableEnd(): LogPosition {
    return this.#log.durableEnd;
  }

  /** Everything before this position has been forwarded. */
  get forwarded(): LogPosition {
    return this.#forwarded;
  }

  /** Of events that wait to be forwarded. */
  get bytes(): number {
    return this.#log.end - this.#forwarded;
  }

  /** The next durable events to forward, in order: so many that they are `bytesMax` long, or one. */
  async readNext(bytesMax: number): Promise<readonly LoggedEvent[]> {
    const from = this.#forwarded;
    for await (const batch of this.#log.read(from)) {
      const count = batch.findIndex(({ nextPosition }) => nextPosition - from >= bytesMax);
      return count < 0 ? batch : batch.slice(0, count + 1);
    }
    return [];
  }

  /** Resolves when what was appended so far is durable, or lost. */
  async settle(): Promise<void> {
    await this.#log.append([]).durable.catch(() => {});
  }

  /** Gives back the disk of what has been forwarded. */
  moveTo(position: LogPosition): void {
    this.#forwarded = Math.max(this.#forwarded, position);
    this.#keeping ??= this.#keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeping;
    await this.#log[Symbol.asyncDispose]();
  }

  async #keep(): Promise<void> {
    let kept: LogPosition;
    do {
      kept = this.#forwarded;
      try {
        await writeCursor(this.#directory, kept);
        await this.#deleteBefore(kept);
      } catch {
        break; // The disk is full, say. What was not deleted, or is not known to be forwarded, is forwarded again.
      }
    } while (kept < this.#forwarded);
    this.#keeping = undefined;
  }

  async #deleteBefore(position: LogPosition): Promise<void> {
    const events = join(this.#directory, EVENTS_FOLDER);
    const starts = await listSegmentStarts(events);
    for (const [index, start] of starts.entries()) {
      const end = starts[index + 1];
      if (end === undefined || end > position) return;
      await rm(segmentPath(events, start));
    }
  }
}

/** 0 where there is none, or none that can be read: then all that is there is forwarded. */
async function readCursor(directory: string): Promise<LogPosition> {
  try {
    const { forwarded } = JSON.parse(await readFile(join(directory, CURSOR_FILE), 'utf8'));
    return Number.isSafeInteger(forwarded) ? forwarded : 0;
  } catch {
    return 0;
  }
}

async function writeCursor(directory: string, forwarded: LogPosition): Promise<void> {
  const path = join(directory, CURSOR_FILE);
  await writeFile(`${path}.tmp`, `${JSON.stringify({ forwarded })}\n`, { flush: true });
  await rename(`${path}.tmp`, path);
}
