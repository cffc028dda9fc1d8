import type { Decision } from '../core/decision/decision.ts';

/** True of a decision that was made without the shared views, so that these may not know of it. */
export function isUnrecorded({ degraded }: Decision): boolean {
  return degraded.includes('features') || degraded.includes('ingest');
}

/** True of a decision that was put under its id in no index: another may stand there, or none. */
export function isUnclaimed({ degraded }: Decision): boolean {
  return degraded.includes('ingest');
}
