/**
 * The embedded views of the log: histories and decision index, in one LMDB environment.
 *
 * They change in memory at once and follow the log to disk in sweeps. A sweep begins at a log position S; a slice at
 * a time, it copies every history that has changed by then, waits until the log is durable up to where the copy
 * reaches, and puts it. When all of it is committed, everything before S is in LMDB, and S is put as the views'
 * position. Each stored history carries its own position, so applying the log from S again does nothing twice.
 *
 * What LMDB has not committed stays in memory. So a write that fails takes nothing away, but its sweep never ends.
 */
import type { ControlDocument } from '../../core/decision/control-document.ts';
import type { Decision } from '../../core/decision/decision.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Appended, LoggedEvent, LogPosition, PositionedEventLog } from '../../pipeline/event-log.ts';
import { catchUp, type LogView } from '../../pipeline/view.ts';
import type { HistoryTable, StoredHistory } from './history-table.ts';
import { LmdbControlHistory } from './lmdb-control-history.ts';
import { type IndexEntry, LmdbDecisionIndex } from './lmdb-decision-index.ts';
import { LmdbFeatureStore } from './lmdb-feature-store.ts';
import { ViewEnvironment } from './view-environment.ts';

export type LmdbViewOptions = {
  /** A sweep begins when this many histories have changed, because they are held in memory until then ... */
  readonly sweepHistories?: number;
  /** ... or when the log has grown by so many bytes, because a restart has to apply them again. */
  readonly sweepBytes?: number;
  /** Histories copied at each `follow`, more if many have changed: enough to be faster than they change. */
  readonly sliceHistories?: number;
  /** Index entries written at a time: LMDB's cost is by commit and page, not by entry. */
  readonly writeEntries?: number;
  /** Histories in one of the two generations that each kind of entity has in memory. */
  readonly generationHistories?: number;
};

const DEFAULTS = {
  sweepHistories: 32_768,
  sweepBytes: 32 * 1024 * 1024,
  sliceHistories: 64,
  writeEntries: 8_192,
  generationHistories: 100_000,
} satisfies LmdbViewOptions;
const SLICES_PER_SWEEP = 256;

/** As much of the log as its views read. */
type ViewedLog = Pick<PositionedEventLog, 'read' | 'readAt'>;
type HistoryId = { readonly table: HistoryTable; readonly id: string };
type HistoryCopy = { readonly table: HistoryTable; readonly stored: StoredHistory };

export class LmdbView implements LogView, AsyncDisposable {
  readonly featureStore: LmdbFeatureStore;
  readonly decisionIndex: LmdbDecisionIndex;
  readonly controlHistory: LmdbControlHistory;
  readonly #environment: ViewEnvironment;
  readonly #log: ViewedLog;
  readonly #options: Required<LmdbViewOptions>;
  readonly #isReadOnly: boolean;
  /** Histories that the running sweep has still to copy. */
  #sweep: HistoryId[] = [];
  #sweepPosition: LogPosition = 0;
  #isSweeping = false;
  /** What is in memory stands in the log before this position. */
  #end: LogPosition;
  /** Durable, and waiting to be written together. */
  #entries: IndexEntry[] = [];
  #controls: ControlDocument[] = [];
  /** Settles when everything that was followed is durable, and on its way to LMDB, or is lost; never rejects. */
  #followed: Promise<void> = Promise.resolve();
  /** Settles when all writes so far have been committed or have failed; never rejects. */
  #written: Promise<void> = Promise.resolve();
  /** Why LMDB, or the log, lacks what is in memory. */
  #failure: unknown;

  private constructor(
    environment: ViewEnvironment,
    log: ViewedLog,
    { isReadOnly, ...options }: LmdbViewOptions & { readonly isReadOnly: boolean },
  ) {
    this.#environment = environment;
    this.#log = log;
    this.#isReadOnly = isReadOnly;
    this.#options = { ...DEFAULTS, ...options };
    this.featureStore = new LmdbFeatureStore(environment, this.#options.generationHistories);
    this.decisionIndex = new LmdbDecisionIndex(environment.decisions, log);
    this.controlHistory = new LmdbControlHistory(environment.controls);
    this.#end = environment.position;
    this.#sweepPosition = environment.position;
  }

  static async open(folder: string, log: ViewedLog, options: LmdbViewOptions = {}): Promise<LmdbView> {
    return new LmdbView(await ViewEnvironment.open(folder), log, { ...options, isReadOnly: false });
  }

  /**
   * The views beside a process that may be writing them; they can be asked, and follow the log in memory.
   * @throws ViewFormatError
   */
  static openReadOnly(folder: string, log: ViewedLog): LmdbView {
    return new LmdbView(ViewEnvironment.openReadOnly(folder), log, { isReadOnly: true });
  }

  get position(): LogPosition {
    return this.#environment.position;
  }

  apply(logged: LoggedEvent): void {
    this.featureStore.apply(logged);
    const { event, position, nextPosition } = logged;
    if (event.kind === 'decision') this.decisionIndex.restoreDecision(event.decision, position);
    if (event.kind === 'control') this.controlHistory.add(event.control);
    if (event.kind === 'label') this.decisionIndex.tookLabels([event.label]);
    this.decisionIndex.landed(nextPosition);
    this.#end = nextPosition;
  }

  tookDecisions(decisions: readonly Decision[], { positions, end, durable }: Appended): void {
    this.decisionIndex.tookDecisions(decisions, positions);
    this.follow(end, durable);
  }

  tookLabels(labels: readonly KnownLabel[], { end, durable }: Appended): void {
    this.decisionIndex.tookLabels(labels);
    this.follow(end, durable);
  }

  async startOver(): Promise<void> {
    await this.reset();
    await catchUp(this, this.#log);
  }

  /** @throws what made an earlier write or flight fail: the view has to be reset */
  follow(end: LogPosition, durable: Promise<void>): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#end = end;
    if (this.#isReadOnly) return;
    if (!this.#isSweeping && this.#isSweepDue) this.#beginSweep();
    const copies = this.#copySlice(
      Math.max(this.#options.sliceHistories, Math.ceil(this.#unwrittenCount / SLICES_PER_SWEEP)),
    );
    const entries = this.decisionIndex.seal();
    const controls = this.controlHistory.seal();
    const reached = this.#isSweeping && this.#sweep.length === 0 ? this.#sweepPosition : undefined;
    if (reached !== undefined) this.#isSweeping = false;
    this.#followed = durable.then(
      () => {
        this.decisionIndex.landed(end);
        this.#write(copies, entries, controls);
        if (reached !== undefined) this.#reach(reached);
      },
      (error: unknown) => {
        this.#failure ??= error;
      },
    );
  }

  async reset(): Promise<void> {
    await this.#written;
    this.#failure = undefined;
    this.#sweep = [];
    this.#isSweeping = false;
    this.#entries = [];
    this.#controls = [];
    this.#end = this.#environment.position;
    this.#sweepPosition = this.#environment.position;
    this.featureStore.clear();
    this.decisionIndex.clear();
    this.controlHistory.reset();
  }

  /** Empties the views, to be made again from the log. */
  async empty(): Promise<void> {
    await this.#written;
    await this.#environment.empty();
    await this.reset();
  }

  /** Writes everything that is in memory, once the log is durable up to it. @throws what made a write fail */
  async flush(): Promise<void> {
    await this.#followed;
    if (this.#failure === undefined) {
      this.#beginSweep();
      this.#isSweeping = false;
      const copies = this.#copySlice(this.#sweep.length);
      this.#write(copies, this.decisionIndex.seal(), this.controlHistory.seal());
      this.#reach(this.#sweepPosition);
    }
    await this.#written;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** What could not be written is in the log, and applied at the next opening. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isReadOnly) await this.flush().catch(() => {});
    await this.#environment[Symbol.asyncDispose]();
  }

  get #unwrittenCount(): number {
    return this.featureStore.users.unwrittenCount + this.featureStore.terminals.unwrittenCount;
  }

  get #isSweepDue(): boolean {
    const { sweepHistories, sweepBytes } = this.#options;
    return this.#unwrittenCount >= sweepHistories || this.#end - this.#sweepPosition >= sweepBytes;
  }

  #beginSweep(): void {
    this.#isSweeping = true;
    this.#sweepPosition = this.#end;
    this.#sweep = [];
    const { users, terminals } = this.featureStore;
    for (const table of [users, terminals]) {
      for (const id of table.unwrittenIds()) this.#sweep.push({ table, id });
    }
  }

  #copySlice(count: number): HistoryCopy[] {
    const copies: HistoryCopy[] = [];
    if (this.#sweep.length === 0) return copies;
    for (const { table, id } of this.#sweep.splice(-count)) {
      const stored = table.copy(id, this.#end);
      if (stored) copies.push({ table, stored });
    }
    return copies;
  }

  /** Takes what is durable; index entries wait until there are enough of them. */
  #write(
    copies: readonly HistoryCopy[],
    entries: readonly IndexEntry[],
    controls: readonly ControlDocument[],
  ): void {
    for (const entry of entries) this.#entries.push(entry);
    this.#controls.push(...controls);
    if (this.#entries.length >= this.#options.writeEntries) this.#writeEntries();
    if (copies.length === 0) return;
    this.#commit(
      () => {
        for (const { table, stored } of copies) table.put(stored);
      },
      () => {
        for (const { table, stored } of copies) table.written(stored);
      },
    );
  }

  #writeEntries(): void {
    const entries = this.#entries;
    const controls = this.#controls;
    this.#entries = [];
    this.#controls = [];
    if (entries.length + controls.length === 0) return;
    this.#commit(
      () => {
        this.decisionIndex.put(entries);
        this.controlHistory.put(controls);
      },
      () => this.decisionIndex.written(entries),
    );
  }

  /** Puts the position when all before it is committed: LMDB may fail to commit one write and succeed with the next. */
  #reach(position: LogPosition): void {
    this.#writeEntries();
    const before = this.#written;
    this.#written = before.then(() => {
      if (this.#failure !== undefined) return;
      return this.#environment.write(() => this.#environment.putPosition(position)).then(nothing, this.#fail);
    });
  }

  #commit(put: () => void, onCommitted: () => void): void {
    const before = this.#written;
    this.#written = this.#environment
      .write(put)
      .then(onCommitted, this.#fail)
      .then(() => before);
  }

  readonly #fail = (error: unknown): void => {
    this.#failure ??= error;
  };
}

function nothing(): void {}
