import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataDirectory } from '../adapters/data-directory/data-directory.ts';
import { openSegmentLog, type SegmentLog } from '../adapters/segment-log/segment-log.ts';
import type { ControlDocument } from '../core/decision/control-document.ts';
import type { Decision } from '../core/decision/decision.ts';
import { type ControlSettings, createControlDocument, isSameControl } from '../pipeline/control.ts';
import type { Appended, EventLog, LogEvent, LogPosition } from '../pipeline/event-log.ts';
import { isUnrecorded } from '../pipeline/unrecorded.ts';
import type { EngineObserver } from './engine.ts';
import type { FleetLog } from './fleet-log.ts';
import type { Repair } from './repair.ts';

/** Holds the position of the first decision that the shared views may not know of; not there if they know all. */
const UNRECORDED_FILE = 'unrecorded-from.json';
const REPAIR_LOOK_MS = 500;

/**
 * Shared views over a log that this process has for itself, on its own disk. Where the views were out of reach, the log is
 * read again from there once they are back.
 */
export class OwnLog implements FleetLog {
  readonly eventLog: EventLog;
  readonly troubles = [];
  readonly #log: SegmentLog;
  readonly #markPath: string;
  readonly #controls = new Map<number, ControlDocument>();
  #unrecordedFrom: LogPosition | undefined;
  #marking: Promise<void> = Promise.resolve();
  #repairTimer: NodeJS.Timeout | undefined;
  #repairing: Promise<void> | undefined;

  private constructor(log: SegmentLog, markPath: string, unrecordedFrom: LogPosition | undefined) {
    this.#log = log;
    this.#markPath = markPath;
    this.#unrecordedFrom = unrecordedFrom;
    this.eventLog = {
      isSpooling: false,
      append: (events) => this.#append(events),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  static async open({ logPath, path }: DataDirectory, observer: EngineObserver): Promise<OwnLog> {
    const log = await openSegmentLog(logPath);
    if (log.recovery.tornBytes > 0) observer.onTornTail(log.recovery.tornBytes);
    const markPath = join(path, UNRECORDED_FILE);
    const own = new OwnLog(log, markPath, await readMark(markPath));
    for await (const batch of log.read(0)) {
      for (const { event } of batch)
        if (event.kind === 'control') own.#controls.set(event.control.version, event.control);
    }
    return own;
  }

  get logBytes(): number {
    return this.#log.durableEnd;
  }

  async establishControl(settings: ControlSettings): Promise<ControlDocument> {
    const latest = this.#controls.get(Math.max(...this.#controls.keys()));
    const wanted = createControlDocument(settings, (latest?.version ?? 0) + 1);
    if (latest && isSameControl(latest, wanted)) return latest;
    await this.#log.append([{ kind: 'control', control: wanted }]).durable;
    this.#controls.set(wanted.version, wanted);
    return wanted;
  }

  async findControl(version: number): Promise<ControlDocument | undefined> {
    return this.#controls.get(version);
  }

  async startRepair(repair: Repair): Promise<void> {
    this.#repairTimer = setInterval(() => {
      if (this.#unrecordedFrom === undefined || this.#repairing) return;
      this.#repairing = this.#repair(repair).finally(() => {
        this.#repairing = undefined;
      });
    }, REPAIR_LOOK_MS).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#repairTimer);
    await this.#repairing;
    await this.#log[Symbol.asyncDispose]();
    await this.#marking;
  }

  #append(events: readonly LogEvent[]): Appended {
    const appended = this.#log.append(events);
    const first = events.findIndex((event) => event.kind === 'decision' && isUnrecorded(event.decision));
    if (first >= 0) this.#mark(appended.positions[first]);
    return appended;
  }

  #mark(position: LogPosition): void {
    if (this.#unrecordedFrom !== undefined) return;
    this.#unrecordedFrom = position;
    this.#marking = this.#marking.then(() => writeMark(this.#markPath, position));
  }

  async #repair(repair: Repair): Promise<void> {
    const from = this.#unrecordedFrom!;
    let reached = from;
    for await (const batch of this.#log.read(from)) {
      const decisions = batch.flatMap(({ event }): Decision[] =>
        event.kind === 'decision' && isUnrecorded(event.decision) ? [event.decision] : [],
      );
      if (decisions.length > 0 && !(await repair.record(decisions))) return;
      reached = batch[batch.length - 1].nextPosition;
    }
    // What was decided without the views while we read stands before the end now, and is read again next time.
    if (reached < this.#log.end) this.#unrecordedFrom = reached;
    else {
      this.#unrecordedFrom = undefined;
      this.#marking = this.#marking.then(() => rm(this.#markPath, { force: true }));
    }
  }
}

async function readMark(path: string): Promise<LogPosition | undefined> {
  try {
    const { position } = JSON.parse(await readFile(path, 'utf8'));
    return Number.isSafeInteger(position) ? position : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return 0; // half written: reading all of it again is slow and harmless
  }
}

async function writeMark(path: string, position: LogPosition): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify({ position }), { flush: true });
  await rename(`${path}.tmp`, path);
}
