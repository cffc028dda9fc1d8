/** Computes every decision of a log again and compares. */
import { answerJson } from '../core/decision/answer.ts';
import type { Decision } from '../core/decision/decision.ts';
import { Histories } from '../core/features/histories.ts';
import type { Control } from './control.ts';
import { computeFeatures, decide, route } from './decide.ts';
import type { LogEvent } from './event-log.ts';
import { findReasons, score } from './score.ts';

export type Difference = {
  readonly transactionId: string;
  /** Where the decision stands in the log. */
  readonly place: string;
  /** What differs: `features.amount`, `user_position`, `answer`, ... */
  readonly member: string;
  readonly logged: string;
  readonly computed: string;
};

export type Verification = {
  decisions: number;
  labels: number;
  differing: number;
  first: Difference | undefined;
};

/** Follows a log from its beginning; events must come in the order in which they were recorded in their histories. */
export class Verifier {
  readonly result: Verification = { decisions: 0, labels: 0, differing: 0, first: undefined };
  readonly #histories = new Histories();
  readonly #controlOf: (version: number) => Control;

  /** @param controlOf the control of a version, with exactly the models that it names */
  constructor(controlOf: (version: number) => Control) {
    this.#controlOf = controlOf;
  }

  /** @param place where the event stands, as a person would look it up */
  async verify(event: LogEvent, place: string): Promise<void> {
    if (event.kind === 'label') {
      this.result.labels++;
      this.#histories.recordLabel(event.label);
    }
    if (event.kind !== 'decision') return;
    this.result.decisions++;
    const difference = await this.#compare(event.decision, place);
    if (!difference) return;
    this.result.differing++;
    this.result.first ??= difference;
  }

  async #compare(logged: Decision, place: string): Promise<Difference | undefined> {
    const control = this.#controlOf(logged.controlVersion);
    const computed = await this.#decideAgain(logged, control);
    const differing = firstDifference(logged, computed, control.document.features);
    return differing && { transactionId: logged.transaction.transactionId, place, ...differing };
  }

  async #decideAgain(logged: Decision, control: Control): Promise<Decision> {
    const { transaction } = logged;
    const recorded = this.#histories.record(transaction);
    // What was decided without its histories was decided as the first of its entities, wherever it stands in them now.
    const isWithout = logged.degraded.includes('features');
    const histories = isWithout ? new Histories().record(transaction) : recorded;
    const [features] = computeFeatures([transaction], [histories], control);
    const [arm] = route([transaction], control);
    // Where the arm's own model had failed, the other one's probability is the one to compare with.
    const wasOther = logged.degraded.includes('score');
    const [scored] = await score([features], [wasOther ? (arm === 'A' ? 'B' : 'A') : arm], control);
    const [found] = findReasons([features], [scored], control);
    const reasonCodes = logged.degraded.includes('decide') ? [] : (found ?? []);
    const arrivedAtMs = logged.decidedAtMs - logged.latencyMs;
    const computed = decide(
      { transaction, arrivedAtMs },
      histories,
      {
        features,
        arm,
        ...scored,
        reasonCodes,
        without: logged.degraded.filter((stage) => stage !== 'score'),
      },
      control,
      logged.decidedAtMs,
    );
    return { ...computed, latencyMs: logged.latencyMs };
  }
}

function firstDifference(
  logged: Decision,
  computed: Decision,
  names: readonly string[],
): Pick<Difference, 'member' | 'logged' | 'computed'> | undefined {
  const feature = names.findIndex(
    (_name, index) => !Object.is(logged.features[index], computed.features[index]),
  );
  if (feature >= 0)
    return differ(`features.${names[feature]}`, logged.features[feature], computed.features[feature]);
  const positions = ['userPosition', 'terminalPosition', 'arm', 'isOutOfOrder'] as const;
  const member = positions.find((name) => logged[name] !== computed[name]);
  if (member) return differ(member, logged[member], computed[member]);
  const [before, after] = [answerJson(logged), answerJson(computed)];
  return before === after ? undefined : differ('answer', before, after);
}

function differ(member: string, logged: unknown, computed: unknown) {
  return { member, logged: String(logged), computed: String(computed) };
}
