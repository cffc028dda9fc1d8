import type { Thresholds } from './control-document.ts';
import type { Outcome } from './decision.ts';

/** What a probability leads to. A threshold that is reached counts as passed. */
export function decideOutcome(fraudProbability: number, thresholds: Thresholds): Outcome {
  if (fraudProbability >= thresholds.decline) return 'decline';
  if (fraudProbability >= thresholds.review) return 'review';
  return 'approve';
}
