/** More waits than can be answered in time. */
export class OverloadedError extends Error {
  readonly code = 'overloaded';
}

/** Both arms' models failed on the same transactions. */
export class ScoringFailedError extends Error {
  readonly code = 'scoring-failed';
}

/** A store on another server did not answer in time, or is known to be away. Decisions are made without it. */
export class StoreUnavailableError extends Error {
  readonly code = 'store-unavailable';
}
