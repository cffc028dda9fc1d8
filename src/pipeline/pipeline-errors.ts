/** More waits than can be answered in time. */
export class OverloadedError extends Error {
  readonly code = 'overloaded';
}

/** Both arms' models failed on the same transactions. */
export class ScoringFailedError extends Error {
  readonly code = 'scoring-failed';
}
