/**
 * Folding keeps a history bounded without changing what is computed from it.
 *
 * What a record counts for is settled by rules that do not ask whether it has been folded yet:
 *  - out of reach: its hour is before the hour of `newest - reach - LATENESS`. A transaction then counts in the lifetime
 *    totals only, a label no longer at all.
 *  - old: EXACT_RECORDS or more records arrived after it. It counts at the middle of its hour, or now where nothing is
 *    newer than now and the middle is still to come: at most half an hour from where it was. A label counts as known;
 *    nothing counts for its category, its counterpart or standard deviations.
 *  - exact: every other record.
 * activity.ts reads by these rules whatever is still there; folding only makes the bytes follow. So it may happen at any
 * time, on any machine, and replaying a log gives the same decisions bit for bit. Records are released from the front
 * only, up to the first that is exact, so positions stay what they were. A released record is not known again, whether
 * or not it is still in the bytes.
 *
 * Bound: after folding at most EXACT_RECORDS records, a tile for each hour in reach, and the summary. In 24-byte records
 * that is 512 + (reach + LATENESS) / 1 h + 1 + 2: 30,216 bytes for a user (reach 30 days), 34,248 for a terminal (37).
 * (Labels speak of payments that were recorded; one of a later payment would make a tile beyond the newest.)
 *
 * Sums of amount units are exact to 2^53 (900 billion major units) and stay at 2^53 from there on, in whatever order
 * they were added: doubles never come back below it.
 *
 * A folded history begins with a summary of two records' length, then a record-sized tile an hour:
 *
 * word     summary                                       tile
 * 0        length of summary and tiles, in records       hour since 1970
 * 1        records removed                               transactions
 * 2        newest event time removed, seconds            amount units, low 32 bits
 * 3        bits 0-9 its milliseconds, 10-11 kind summary amount units, high
 * 4, 5     transactions out of reach, low and high       frauds known, signed (a retraction may outlive its label)
 * 6, 7     amount units out of reach, low and high
 */
import {
  amountUnitsOf,
  eventTimeMsOf,
  KIND_LABEL,
  KIND_SUMMARY,
  kindOf,
  RECORD_WORDS,
  timeMsOf,
  verdictChangeOf,
} from './record.ts';

/** Newest records of an entity that count exactly. */
export const EXACT_RECORDS = 512;
/** Transactions this much older than the newest one still find all the records that their windows need. */
export const LATENESS_MS = 86_400_000;

const TILE_MS = 3_600_000;
const SUMMARY_WORDS = 2 * RECORD_WORDS;
const SUMMARY_MARK = KIND_SUMMARY << 10;
const TWO_TO_32 = 2 ** 32;
const UNITS_MAX = 2 ** 53;

export type Summary = {
  readonly removedCount: number;
  readonly newestMs: number;
  readonly outOfReachCount: number;
  readonly outOfReachUnits: number;
};

/** What happened in one hour. */
export type Tile = {
  readonly startMs: number;
  readonly count: number;
  readonly units: number;
  readonly frauds: number;
};

const NO_SUMMARY: Summary = {
  removedCount: 0,
  newestMs: Number.NEGATIVE_INFINITY,
  outOfReachCount: 0,
  outOfReachUnits: 0,
};

/** Words before the first record: the summary and its tiles. */
export function summaryWords(words: Uint32Array, wordCount: number): number {
  return hasSummary(words, wordCount) ? words[0] * RECORD_WORDS : 0;
}

export function readSummary(words: Uint32Array, wordCount: number): Summary {
  if (!hasSummary(words, wordCount)) return NO_SUMMARY;
  return {
    removedCount: words[1],
    newestMs: timeMsOf(words, 0),
    outOfReachCount: words[4] + words[5] * TWO_TO_32,
    outOfReachUnits: words[6] + words[7] * TWO_TO_32,
  };
}

/** Where the tiles of a folded history begin; they end where its records begin. */
export const FIRST_TILE = SUMMARY_WORDS;

export function readTile(words: Uint32Array, offset: number): Tile {
  return {
    startMs: words[offset] * TILE_MS,
    count: words[offset + 1],
    units: words[offset + 2] + words[offset + 3] * TWO_TO_32,
    frauds: words[offset + 4] | 0,
  };
}

/** The moment from which on records are in reach: the start of an hour. */
export function reachStartMs(newestMs: number, reachMs: number): number {
  return startOfHour(newestMs - reachMs - LATENESS_MS);
}

function startOfHour(timeMs: number): number {
  return Math.floor(timeMs / TILE_MS) * TILE_MS;
}

/**
 * How long ago what happened in the hour from `startMs` counts as having been; negative if not yet.
 * @param isLate whether something newer than `nowMs` is known, so that the rest of the hour may be in the future
 */
export function tileAgeMs(startMs: number, nowMs: number, isLate: boolean): number {
  const sinceMiddleMs = nowMs - startMs - TILE_MS / 2;
  return isLate ? sinceMiddleMs : Math.max(0, sinceMiddleMs);
}

/** A sum of amount units as it counts. */
export function cappedUnits(units: number): number {
  return Math.min(units, UNITS_MAX);
}

export type Foldable = {
  readonly words: Uint32Array;
  readonly wordCount: number;
  readonly newestMs: number;
  readonly reachMs: number;
};

/** Offset of the first record, at `from` or after, that is not released. Never falls as records arrive. */
export function firstKept({ words, wordCount, newestMs, reachMs }: Foldable, from: number): number {
  const startMs = reachStartMs(newestMs, reachMs);
  let offset = Math.max(from, wordCount - EXACT_RECORDS * RECORD_WORDS);
  while (offset < wordCount && eventTimeMsOf(words, offset) < startMs) offset += RECORD_WORDS;
  return offset;
}

/** The history's words without the records at its front that the rules above release. */
export function fold(history: Foldable): Uint32Array {
  const { words, wordCount } = history;
  const firstRecord = summaryWords(words, wordCount);
  const kept = firstKept(history, firstRecord);
  if (kept === 0) return words.subarray(0, wordCount);
  const startMs = reachStartMs(history.newestMs, history.reachMs);
  const totals = { ...readSummary(words, wordCount) };
  const tiles = new Map<number, Tile>();
  for (let offset = FIRST_TILE; offset < firstRecord; offset += RECORD_WORDS) {
    addToTile(tiles, readTile(words, offset));
  }
  for (let offset = firstRecord; offset < kept; offset += RECORD_WORDS) {
    addToTile(tiles, tileOfRecord(words, offset));
    const isTransaction = kindOf(words, offset) !== KIND_LABEL;
    if (isTransaction) totals.newestMs = Math.max(totals.newestMs, timeMsOf(words, offset));
  }
  for (const tile of tiles.values()) {
    if (tile.startMs >= startMs) continue;
    totals.outOfReachCount += tile.count;
    totals.outOfReachUnits = cappedUnits(totals.outOfReachUnits + tile.units);
    tiles.delete(tile.startMs);
  }
  totals.removedCount += (kept - firstRecord) / RECORD_WORDS;
  return layOut(totals, tiles, words.subarray(kept, wordCount));
}

/** A record as what it adds to the tile of its hour. */
export function tileOfRecord(words: Uint32Array, offset: number): Tile {
  const startMs = startOfHour(eventTimeMsOf(words, offset));
  return kindOf(words, offset) === KIND_LABEL
    ? { startMs, count: 0, units: 0, frauds: verdictChangeOf(words, offset) }
    : { startMs, count: 1, units: amountUnitsOf(words, offset), frauds: 0 };
}

function hasSummary(words: Uint32Array, wordCount: number): boolean {
  return wordCount > 0 && kindOf(words, 0) === KIND_SUMMARY;
}

function addToTile(tiles: Map<number, Tile>, added: Tile): void {
  const { startMs } = added;
  const tile = tiles.get(startMs);
  if (!tile) tiles.set(startMs, added);
  else {
    const units = cappedUnits(tile.units + added.units);
    tiles.set(startMs, {
      startMs,
      count: tile.count + added.count,
      units,
      frauds: tile.frauds + added.frauds,
    });
  }
}

/** Tiles are laid out by hour, so that equal histories have equal bytes. */
function layOut(summary: Summary, tiles: ReadonlyMap<number, Tile>, records: Uint32Array): Uint32Array {
  const headWords = SUMMARY_WORDS + tiles.size * RECORD_WORDS;
  const folded = new Uint32Array(headWords + records.length);
  writeSummary(folded, summary, headWords);
  let offset = FIRST_TILE;
  for (const tile of [...tiles.values()].sort((one, other) => one.startMs - other.startMs)) {
    const { startMs, count, units, frauds } = tile;
    folded.set([startMs / TILE_MS, count, units % TWO_TO_32, Math.floor(units / TWO_TO_32), frauds], offset);
    offset += RECORD_WORDS;
  }
  folded.set(records, headWords);
  return folded;
}

function writeSummary(into: Uint32Array, summary: Summary, headWords: number): void {
  into.set([
    headWords / RECORD_WORDS,
    summary.removedCount,
    Math.floor(summary.newestMs / 1000),
    (summary.newestMs % 1000) | SUMMARY_MARK,
    summary.outOfReachCount % TWO_TO_32,
    Math.floor(summary.outOfReachCount / TWO_TO_32),
    summary.outOfReachUnits % TWO_TO_32,
    Math.floor(summary.outOfReachUnits / TWO_TO_32),
  ]);
}
