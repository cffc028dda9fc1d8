import type { HistoryView } from './entity-history.ts';
import {
  EXACT_RECORDS,
  FIRST_TILE,
  reachStartMs,
  readTile,
  summaryWords,
  type Tile,
  tileAgeMs,
  tileOfRecord,
} from './fold.ts';
import { RECORD_WORDS, timeMsOf } from './record.ts';

/** A history at the moment of one of its transactions: where what counts lies in its words, by the rules of fold.ts. */
export type Moment = {
  readonly words: Uint32Array;
  /** Where the records behind summary and tiles begin. */
  readonly headWords: number;
  /** The records from here on count exactly; those between the head and here count as tiles do. */
  readonly firstExact: number;
  /** The transaction's own record, the last one. */
  readonly own: number;
  readonly nowMs: number;
  /** Whether the history knew of something newer than the transaction. */
  readonly isLate: boolean;
  /** What was before this counts in the lifetime totals only. */
  readonly startMs: number;
};

export function momentOf(view: HistoryView): Moment {
  const { words, wordCount } = view;
  const own = wordCount - RECORD_WORDS;
  const nowMs = timeMsOf(words, own);
  const headWords = summaryWords(words, wordCount);
  return {
    words,
    headWords,
    firstExact: Math.max(headWords, wordCount - EXACT_RECORDS * RECORD_WORDS),
    own,
    nowMs,
    isLate: view.previousNewestMs > nowMs,
    startMs: reachStartMs(Math.max(view.previousNewestMs, nowMs), view.reachMs),
  };
}

/** Tells everything that does not count exactly, as tiles: those of the fold, and each old record as one of its own. */
export function forEachTile({ words, headWords, firstExact }: Moment, onTile: (tile: Tile) => void): void {
  for (let offset = FIRST_TILE; offset < headWords; offset += RECORD_WORDS) onTile(readTile(words, offset));
  for (let offset = headWords; offset < firstExact; offset += RECORD_WORDS)
    onTile(tileOfRecord(words, offset));
}

/** How long ago what happened in the tile's hour counts as having been; negative if not yet, or out of reach. */
export function ageOfTile({ startMs }: Tile, moment: Moment): number {
  return startMs < moment.startMs ? -1 : tileAgeMs(startMs, moment.nowMs, moment.isLate);
}
