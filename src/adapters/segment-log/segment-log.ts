/**
 * The embedded event log: one directory, one writer, frames (`frame.ts`) in segment files named by the position
 * of their first byte.
 *
 *     0000000000000000.log   0000000067109120.log   0000000134218377.log
 *     [f][f][f] ... [f][f]   [F][f][F] ... [f][f]   [F][f][F][f][f] 0 0 0 ...
 *                                                         durableEnd ^ prepared space
 *
 * How an event becomes durable:
 *
 *     append ─► gathering ──take off──► flying ──written durably──► landed: durableEnd moves, callers resolve
 *                   ▲                      │
 *                   │                      ├─ no space: cut the file back to durableEnd, reject everything since
 *                   └──── reset ◄──────────┤
 *                                          └─ anything else: fatal, the process has to end
 *
 * - Events are encoded the moment they arrive, into the memory they are written from; an event that waits is bytes.
 * - One flight at a time. While it is in the air the next one gathers, so flights grow with the load and no
 *   timer is needed. A flight takes off at the end of a turn of the event loop, with all that the turn brought.
 * - Segments change between flights: the full one is cut to its exact length, then the next is created.
 */
import type {
  Appended,
  LogEvent,
  LoggedEvent,
  LogPosition,
  PositionedEventLog,
} from '../../pipeline/event-log.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { ActiveSegment } from './active-segment.ts';
import { Flight } from './flight.ts';
import type { SegmentFile } from './read-segment.ts';
import { readEvent, readSegment } from './read-segment.ts';
import type { Recovery } from './recover.ts';
import { recoverSegments } from './recover.ts';
import { segmentIndexOf, segmentPath } from './segment-files.ts';
import { SegmentHandles } from './segment-handles.ts';
import { SegmentLogCorruptError, SegmentLogFatalError } from './segment-log-errors.ts';

/** Small enough to walk in a tenth of a second on opening, large enough that a year's log is some thousand files. */
const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Two seconds of full load: whoever waits behind more than that has given up before it is written. */
const FLIGHT_BYTES_MAX = 8 * 1024 * 1024;
/** Failures that are about room and leave no doubt about the file: the write can be taken back, and tried again. */
const REFUSALS = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE', 'ENOMEM']);

export type SegmentLogOptions = {
  /** A segment that has reached this size is followed by a new one. */
  readonly segmentBytes?: number;
  /** Most that waits while a flight is in the air. */
  readonly flightBytesMax?: number;
  /** Told once, when the process has to end; the default throws the error where nothing catches it. */
  readonly onFatal?: (error: SegmentLogFatalError) => void;
};

/**
 * Opens the log in this directory, which must exist and be ours alone, and recovers it from whatever ended its
 * last writer. Throws SegmentLogCorruptError if durable events are damaged.
 */
export async function openSegmentLog(
  directory: string,
  options: SegmentLogOptions = {},
): Promise<SegmentLog> {
  const { recovery, segment, segmentStarts } = await recoverSegments(directory);
  return new SegmentLog({
    directory,
    recovery,
    segment,
    segmentStarts,
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
    flightBytesMax: options.flightBytesMax ?? FLIGHT_BYTES_MAX,
    onFatal: options.onFatal ?? throwUncaught,
  });
}

type Parts = Required<SegmentLogOptions> & {
  readonly directory: string;
  readonly recovery: Recovery;
  readonly segment: ActiveSegment;
  readonly segmentStarts: LogPosition[];
};

export class SegmentLog implements PositionedEventLog {
  readonly isSpooling = false;
  /** What opening found, for the caller to report. */
  readonly recovery: Recovery;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #onFatal: (error: SegmentLogFatalError) => void;
  readonly #segmentStarts: LogPosition[];
  readonly #handles = new SegmentHandles();
  #segment: ActiveSegment;
  #gathering: Flight;
  #flying: Flight;
  #durableEnd: LogPosition;
  /** Set while anything waits or flies. */
  #writing: Promise<void> | undefined;
  #fatal: SegmentLogFatalError | undefined;
  #isClosed = false;

  constructor({ directory, recovery, segment, segmentStarts, segmentBytes, flightBytesMax, onFatal }: Parts) {
    this.recovery = recovery;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#onFatal = onFatal;
    this.#segmentStarts = segmentStarts;
    this.#segment = segment;
    this.#durableEnd = recovery.end;
    this.#gathering = new Flight(recovery.end, flightBytesMax);
    this.#flying = new Flight(recovery.end, flightBytesMax);
  }

  get end(): LogPosition {
    return this.#gathering.end;
  }

  get durableEnd(): LogPosition {
    return this.#durableEnd;
  }

  append(events: readonly LogEvent[]): Appended {
    if (this.#isClosed) throw new LogUnavailableError('the log is closed');
    if (this.#fatal !== undefined)
      throw new LogUnavailableError('the log has failed', { cause: this.#fatal });
    const positions = this.#gathering.add(events);
    this.#writing ??= this.#write();
    return { positions, end: this.end, durable: this.#gathering.landing };
  }

  async *read(from: LogPosition): AsyncGenerator<readonly LoggedEvent[], void> {
    let position = from;
    while (position < this.#durableEnd) {
      const index = this.#segmentIndexOf(position);
      const file = this.#segmentFile(index);
      const until = this.#segmentStarts[index + 1] ?? this.#durableEnd;
      position = yield* readSegment(file, { from: position, until });
      if (position < until) throw unreadable(file, position);
    }
  }

  async readAt(position: LogPosition): Promise<LogEvent> {
    if (!(position < this.#durableEnd)) throw new RangeError(`nothing durable at log position ${position}`);
    const file = this.#segmentFile(this.#segmentIndexOf(position));
    const event = await this.#handles.lend(file.path, (handle) => readEvent(handle, file, position));
    if (event === undefined) throw unreadable(file, position);
    return event;
  }

  /** Writes what waits, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    if (this.#fatal === undefined) await this.#segment.cut(this.#durableEnd);
    await this.#segment.close();
    await this.#handles[Symbol.asyncDispose]();
  }

  /** The writer: runs while there is anything to write, and never rejects. */
  async #write(): Promise<void> {
    try {
      do {
        await undefined;
        await this.#fly();
      } while (this.#gathering.isAwaited);
    } catch (error) {
      this.#fatal = new SegmentLogFatalError('the event log can no longer be written', { cause: error });
      this.#onFatal(this.#fatal);
    } finally {
      this.#writing = undefined;
    }
  }

  async #fly(): Promise<void> {
    const flight = this.#takeOff();
    try {
      if (this.#durableEnd - this.#segment.start >= this.#segmentBytes) await this.#startSegment();
      await this.#segment.write(flight.bytes, flight.start);
    } catch (error) {
      return await this.#turnBack(error);
    }
    this.#durableEnd = flight.end;
    flight.land();
  }

  #takeOff(): Flight {
    const flight = this.#gathering;
    this.#gathering = this.#flying;
    this.#gathering.reset(flight.end);
    this.#flying = flight;
    return flight;
  }

  async #startSegment(): Promise<void> {
    const full = this.#segment;
    await full.cut(this.#durableEnd);
    this.#segment = await ActiveSegment.open(this.#directory, this.#durableEnd);
    this.#segmentStarts.push(this.#durableEnd);
    await full.close();
  }

  /**
   * Takes the flight back, and with it what gathered behind it, whose positions build on it. Callers learn of it
   * when the file no longer holds a byte of theirs, even if the machine ended then.
   */
  async #turnBack(error: unknown): Promise<void> {
    if (!isRefusal(error)) throw error;
    await this.#segment.cut(this.#durableEnd);
    const reason = new LogUnavailableError('the event log cannot be written to', { cause: error });
    this.#flying.turnBack(reason);
    this.#gathering.turnBack(reason);
    this.#gathering.reset(this.#durableEnd);
  }

  #segmentIndexOf(position: LogPosition): number {
    const index = segmentIndexOf(this.#segmentStarts, position);
    if (index < 0) throw new RangeError(`the log begins after position ${position}`);
    return index;
  }

  #segmentFile(index: number): SegmentFile {
    const start = this.#segmentStarts[index];
    return { path: segmentPath(this.#directory, start), start };
  }
}

function unreadable(file: SegmentFile, position: LogPosition): SegmentLogCorruptError {
  const what = 'no whole event stands here';
  return new SegmentLogCorruptError(file.path, { what, offset: position - file.start, position });
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSALS.has(String(error.code));
}

function throwUncaught(error: SegmentLogFatalError): void {
  setImmediate(() => {
    throw error;
  });
}
