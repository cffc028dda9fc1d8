import { FEATURES } from '../features/catalogue.ts';

/** A feature that moved a score towards fraud, with what it was and what is usual. */
export type Reason = {
  readonly code: string;
  readonly feature: string;
  /** NaN where the feature had no value. */
  readonly value: number;
  /** Median among the legitimate transactions that the model was trained on. */
  readonly usual: number;
  /** How far it moved the model's score: its Shapley value. */
  readonly contribution: number;
  /** For an analyst: "amount 412.00 is 6.3 times this user's median". */
  readonly text: string;
};

export const MAX_REASONS = 3;

/**
 * The features that moved the score most towards fraud, strongest first, at most `MAX_REASONS`.
 *
 * @param contributions of each feature to the score, as `attribute` gives them; all in the order of `names`
 */
export function strongestReasons(
  names: readonly string[],
  values: Float32Array,
  usual: readonly number[],
  contributions: Float64Array,
): Reason[] {
  const of = (name: string) => values[names.indexOf(name)] ?? Number.NaN;
  return strongestIndices(names, contributions).map((index) => {
    // A model card has the shortest decimal of a median, which is a float32 as the values are.
    const known = { feature: names[index], value: values[index], usual: Math.fround(usual[index]) };
    return {
      ...known,
      code: reasonCode(known.feature, known.value, known.usual),
      usual: usual[index],
      contribution: contributions[index],
      text: reasonText(known, of),
    };
  });
}

/** In one pass, because this runs for every payment that is reviewed or declined. Of one strength they come by name. */
function strongestIndices(names: readonly string[], contributions: Float64Array): number[] {
  const strongest: number[] = [];
  const isStronger = (one: number, other: number) =>
    contributions[one] > contributions[other] ||
    (contributions[one] === contributions[other] && names[one] < names[other]);
  for (let index = 0; index < names.length; index++) {
    if (!(contributions[index] > 0)) continue;
    let place = strongest.length;
    while (place > 0 && isStronger(index, strongest[place - 1])) place--;
    if (place === MAX_REASONS) continue;
    strongest.splice(place, 0, index);
    if (strongest.length > MAX_REASONS) strongest.pop();
  }
  return strongest;
}

type Known = Pick<Reason, 'feature' | 'value' | 'usual'>;

/** What the feature says of itself, or "seconds since the user's last transaction: 412, usually 53.20". */
function reasonText({ feature, value, usual }: Known, of: (name: string) => number): string {
  const found = FEATURES.find(({ name }) => name === feature);
  if (found?.says && !Number.isNaN(value)) return found.says(value, of);
  return `${found?.description ?? feature}: ${shown(value)}, usually ${shown(usual)}`;
}

function reasonCode(feature: string, value: number, usual: number): string {
  if (Number.isNaN(value)) return `${feature}_missing`;
  return `${feature}_${value > usual ? 'high' : value < usual ? 'low' : 'usual'}`;
}

function shown(value: number): string {
  if (Number.isNaN(value)) return 'unknown';
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1000 ? value.toPrecision(4) : value.toFixed(0);
}
