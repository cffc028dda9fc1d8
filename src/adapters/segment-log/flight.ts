import type { LogEvent, LogPosition } from '../../pipeline/event-log.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { ByteWriter } from './byte-writer.ts';
import { encodedBytesMax, encodeEvent } from './event-codec.ts';
import { FRAME_HEADER_BYTES, sealFrame } from './frame.ts';

/**
 * Events that become durable together: their frames, already encoded, and the one promise that all their callers
 * wait on. It gathers, flies, lands or turns back, and is then reset to gather again.
 */
export class Flight {
  #start: LogPosition;
  readonly #writer: ByteWriter;
  #landing: PromiseWithResolvers<void> | undefined;

  constructor(start: LogPosition, capacityBytes: number) {
    this.#start = start;
    this.#writer = new ByteWriter(capacityBytes);
  }

  get start(): LogPosition {
    return this.#start;
  }

  get end(): LogPosition {
    return this.#start + this.#writer.offset;
  }

  /** Someone appended to it. */
  get isAwaited(): boolean {
    return this.#landing !== undefined;
  }

  /** The frames, in the flight's own memory: valid until it is reset. */
  get bytes(): Buffer {
    return this.#writer.bytes.subarray(0, this.#writer.offset);
  }

  /** Resolves when the flight has landed; one promise for all who wait. */
  get landing(): Promise<void> {
    this.#landing ??= Promise.withResolvers<void>();
    return this.#landing.promise;
  }

  /** Encodes all of the events, or none: LogUnavailableError if they do not fit. */
  add(events: readonly LogEvent[]): LogPosition[] {
    const offsetBefore = this.#writer.offset;
    try {
      return events.map((event) => this.#addOne(event));
    } catch (error) {
      this.#writer.offset = offsetBefore;
      throw error;
    }
  }

  land(): void {
    this.#landing?.resolve();
  }

  turnBack(reason: LogUnavailableError): void {
    this.#landing?.reject(reason);
  }

  reset(start: LogPosition): void {
    this.#start = start;
    this.#writer.offset = 0;
    this.#landing = undefined;
  }

  #addOne(event: LogEvent): LogPosition {
    const writer = this.#writer;
    const offset = writer.offset;
    if (offset + FRAME_HEADER_BYTES + encodedBytesMax(event) > writer.bytes.length) {
      throw new LogUnavailableError(`${offset} bytes wait to be written, and no more may`);
    }
    const position = this.#start + offset;
    writer.offset = offset + FRAME_HEADER_BYTES;
    encodeEvent(event, writer);
    sealFrame(writer, { offset, position, isFirstOfFlight: offset === 0 });
    return position;
  }
}
