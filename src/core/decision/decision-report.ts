import { formatTimestamp } from '../transaction/timestamp.ts';
import { answerJson } from './answer.ts';
import type { ControlDocument } from './control-document.ts';
import type { Decision } from './decision.ts';
import { groundsJson } from './decision-json.ts';
import type { Reason } from './reasons.ts';

export type LabelReport = { readonly isFraud: boolean; readonly knownAtMs: number };

/**
 * All that is known of one decision, as JSON: the answer, what it was made from, and why.
 *
 * @param control the document that the decision was made under
 * @param reasons the strongest reasons of its score
 */
export function decisionReportJson(
  decision: Decision,
  control: ControlDocument,
  reasons: readonly Reason[],
  label: LabelReport | undefined,
): string {
  const rest = JSON.stringify({
    reasons: reasons.map((reason) => ({ ...reason, value: orNull(reason.value) })),
    label: label ? { is_fraud: label.isFraud, known_at: formatTimestamp(label.knownAtMs) } : null,
  });
  return `${answerJson(decision).slice(0, -1)},${groundsJson(decision, control.features)},${rest.slice(1)}`;
}

/** JSON has no NaN: a feature without a value is null. */
function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
