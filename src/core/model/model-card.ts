import type { Thresholds } from '../decision/control-document.ts';
import type { CalibrationKnots } from './calibration.ts';

/** What `model.json` says of a model, as far as the service needs it; the rest is for people. */
export type ModelCard = {
  readonly version: string;
  readonly description: string;
  readonly algorithm: string;
  readonly features: readonly string[];
  readonly thresholds: Thresholds;
  /** Undefined where the model's scores are taken for probabilities as they are. */
  readonly calibration: CalibrationKnots | undefined;
  /** Of the legitimate transactions that it was trained on, by feature. */
  readonly usual: Readonly<Record<string, { readonly median: number }>>;
  /** Of model.onnx, in hexadecimal. */
  readonly sha256: string;
};

/** A member of `model.json` is missing or not what it must be. The message names it. */
export class ModelCardError extends Error {
  readonly code = 'model-card';
}

/** @throws ModelCardError */
export function parseModelCard(value: unknown): ModelCard {
  const card = object(value, 'model.json');
  const features = texts(card.features, 'features');
  return {
    version: text(card.version, 'version', /^[A-Za-z0-9._-]{1,32}$/),
    description: text(card.description, 'description', /^/),
    algorithm: text(card.algorithm, 'algorithm', /^/),
    features,
    thresholds: parseThresholds(card.thresholds),
    calibration: card.calibration === undefined ? undefined : parseCalibration(card.calibration),
    usual: parseUsual(card.usual, features),
    sha256: text(card.sha256, 'sha256', /^[0-9a-f]{64}$/),
  };
}

function parseThresholds(value: unknown): Thresholds {
  const members = object(value, 'thresholds');
  const [fraud, review, decline] = (['fraud', 'review', 'decline'] as const).map((name) => {
    const threshold = number(members[name], `thresholds.${name}`);
    if (threshold > 0 && threshold < 1) return threshold;
    throw new ModelCardError(`thresholds.${name} must be between 0 and 1, not ${threshold}`);
  });
  if (review > decline)
    throw new ModelCardError('thresholds.review must not be greater than thresholds.decline');
  return { fraud, review, decline };
}

function parseCalibration(value: unknown): CalibrationKnots {
  const members = object(value, 'calibration');
  const scores = knots(members.scores, 'calibration.scores');
  const probabilities = knots(members.probabilities, 'calibration.probabilities');
  if (scores.length === probabilities.length) return { scores, probabilities };
  throw new ModelCardError(
    `calibration has ${scores.length} scores and ${probabilities.length} probabilities`,
  );
}

function knots(value: unknown, name: string): readonly number[] {
  const found = Array.isArray(value) ? value.map((item, index) => number(item, `${name}[${index}]`)) : [];
  const isRising = found.every((knot, index) => index === 0 || knot > found[index - 1]);
  if (found.length >= 2 && isRising && found[0] === 0 && found.at(-1) === 1) return found;
  throw new ModelCardError(`${name} must be two or more numbers that rise from 0 to 1`);
}

function parseUsual(value: unknown, features: readonly string[]): ModelCard['usual'] {
  const members = object(value, 'usual');
  const entries = features.map((feature) => {
    const { median } = object(members[feature], `usual.${feature}`);
    return [feature, { median: number(median, `usual.${feature}.median`) }] as const;
  });
  return Object.fromEntries(entries);
}

function texts(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0)
    throw new ModelCardError(`${name} must be a list of names`);
  const names = value.map((item, index) => text(item, `${name}[${index}]`, /^[a-z][a-z0-9_]{0,127}$/));
  const repeated = names.find((item, index) => names.indexOf(item) !== index);
  if (repeated !== undefined) throw new ModelCardError(`${name} has ${repeated} twice`);
  return names;
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ModelCardError(`${name} must be an object`);
}

function text(value: unknown, name: string, pattern: RegExp): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw new ModelCardError(
    `${name} must be a text${pattern.source === '^' ? '' : ` like ${pattern.source}`}`,
  );
}

function number(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ModelCardError(`${name} must be a number`);
}
