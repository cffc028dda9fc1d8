import type { LogPosition } from '../../pipeline/event-log.ts';

/** Bytes that were durable are no longer what was written. Only a person can decide what to do about it. */
export class SegmentLogCorruptError extends Error {
  readonly code = 'segment-log-corrupt';

  constructor(
    path: string,
    damage: { readonly what: string; readonly offset: number; readonly position: LogPosition },
  ) {
    super(
      `${path} is damaged at byte ${damage.offset} (log position ${damage.position}): ${damage.what}. ` +
        'Nothing was changed. Put back an undamaged copy of this file; or, to give up this event and every ' +
        `later one, shorten the file to ${damage.offset} bytes, remove the segment files after it, and run fraud rebuild.`,
    );
  }
}

/**
 * The log can neither confirm nor take back what it was writing; the process has to end. After a failed sync
 * the kernel may have dropped the unwritten pages and marked them clean, so that trying again succeeds with the
 * data gone: https://wiki.postgresql.org/wiki/Fsync_Errors
 */
export class SegmentLogFatalError extends Error {
  readonly code = 'segment-log-fatal';
}
