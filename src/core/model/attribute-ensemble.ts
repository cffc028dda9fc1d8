/**
 * How far each feature moved the score of one row: its Shapley values, exactly (path-dependent TreeSHAP; Lundberg et al.,
 * "From local explanations to global understanding with explainable AI for trees", 2020).
 *
 *   sum of the leaves = expected + sum of the contributions
 *
 * What is known of a row is a set T of its features. At a split on a feature of T the row goes its way; at another it goes
 * both ways, by the share of training rows. So with T known a leaf is reached with the weight
 *
 *   product over the features on its path of   1 if in T and the row meets what the path asks of it
 *                                              0 if in T and it does not
 *                                              z if not in T: the share of training rows that goes this way
 *
 * A feature's Shapley value is the mean gain of knowing it, over all orders of learning the path's d features. Learn each
 * at a random moment of [0, 1]: at the moment t, a feature is known with the chance t. With S the features that are met
 * and U the others, the mean over orders is an integral over the moment at which the feature itself is learnt:
 *
 *   met        + leaf × Π z(U) × (1 - z) × ∫ (1-t)^|U|     Π over the other met ones of (t + (1-t) z) dt
 *   not met    - leaf × Π z(U)           × ∫ (1-t)^(|U|-1) Π over all met ones of (t + (1-t) z) dt
 *
 * Both are of polynomials of degree d - 1, so d / 2 points of Gauss and Legendre give them exactly (as in Bifet, Read and
 * Xu, "Linear tree Shap", 2022). What does not depend on the row is worked out when the model is loaded.
 */
import { spreadRows } from './find-leaves.ts';
import { gaussLegendre } from './gauss-legendre.ts';
import { type LeafPath, leafPaths } from './leaf-paths.ts';
import type { TreeEnsemble } from './tree-ensemble.ts';

export class EnsembleAttribution {
  /** What the score is before anything is known of the row: base and roots' means, before the logistic function. */
  readonly expected: number;
  readonly #ensemble: TreeEnsemble;
  readonly #leaves: Leaves;

  constructor(ensemble: TreeEnsemble) {
    const paths = leafPaths(ensemble);
    const reached = ({ conditions }: LeafPath) => conditions.reduce((share, { z }) => share * z, 1);
    this.expected = paths.reduce((sum, path) => sum + path.weight * reached(path), ensemble.base);
    this.#ensemble = ensemble;
    this.#leaves = layOut(paths);
  }

  /**
   * Contributions by feature, in the unit of the leaves' weights, of `count` rows that lie one after the other, in the same
   * shape. @param rows NaN where a value is missing
   */
  attribute(rows: Float32Array, count: number): Float64Array {
    const { featureCount } = this.#ensemble;
    const inputs = spreadRows(this.#ensemble, rows, count);
    const width = inputs.length / count;
    const sums = new Float64Array(count * featureCount);
    for (let row = 0; row < count; row++) {
      const into = sums.subarray(row * featureCount, (row + 1) * featureCount);
      addLeaves(this.#leaves, inputs.subarray(row * width, (row + 1) * width), into);
    }
    return sums;
  }
}

/** All leaves' paths in flat arrays. A step is one feature of one leaf's path. */
type Leaves = {
  readonly weights: Float64Array;
  /** By leaf: where its steps begin; they end where those of the next leaf do. */
  readonly steps: Int32Array;
  readonly features: Int32Array;
  readonly zs: Float64Array;
  /** By step: where its comparisons begin, and where t + (1-t) z at the leaf's points does. */
  readonly comparisons: Int32Array;
  readonly factors: Int32Array;
  /** By comparison: met if the upper input is at most `upper`, and the lower one is not at most `lower`. */
  readonly upperInputs: Int32Array;
  readonly uppers: Float32Array;
  readonly lowerInputs: Int32Array;
  readonly lowers: Float32Array;
  /** t + (1-t) z, step by step and point by point, and one over it. */
  readonly known: Float64Array;
  readonly inverses: Float64Array;
  /** By length of path: see `Quadrature`. */
  readonly quadratures: readonly Quadrature[];
};

/** The points for paths of one length. */
type Quadrature = {
  /** 1 - t. */
  readonly unknown: Float64Array;
  /** By number of features that are not met: the points' weights times (1-t) to that power, one after the other. */
  readonly weights: Float64Array;
};

const STEPS_MAX = 1024;
/** Used within one call only, and kept for their memory. */
const isMet = new Uint8Array(STEPS_MAX);
const values = new Float64Array(STEPS_MAX);

function addLeaves(leaves: Leaves, inputs: Float32Array, into: Float64Array): void {
  const { weights, steps, zs, features, factors, known, inverses, quadratures } = leaves;
  for (let leaf = 0; leaf < weights.length; leaf++) {
    const start = steps[leaf];
    const length = steps[leaf + 1] - start;
    if (length === 0) continue;
    const { unknown, weights: pointWeights } = quadratures[length];
    const points = unknown.length;
    let scale = weights[leaf];
    let unmet = 0;
    for (let step = 0; step < length; step++) {
      const met = meets(leaves, start + step, inputs);
      isMet[step] = Number(met);
      if (met) continue;
      unmet += 1;
      scale *= zs[start + step];
    }
    if (scale === 0) continue;
    for (let point = 0; point < points; point++) values[point] = pointWeights[unmet * points + point];
    for (let step = 0; step < length; step++) {
      if (isMet[step] === 0) continue;
      const factor = factors[start + step];
      for (let point = 0; point < points; point++) values[point] *= known[factor + point];
    }
    let unmetShare = 0;
    if (unmet > 0) for (let point = 0; point < points; point++) unmetShare += values[point] / unknown[point];
    for (let step = 0; step < length; step++) {
      const at = start + step;
      if (isMet[step] === 0) {
        into[features[at]] -= scale * unmetShare;
        continue;
      }
      let share = 0;
      const factor = factors[at];
      for (let point = 0; point < points; point++) share += values[point] * inverses[factor + point];
      into[features[at]] += scale * (1 - zs[at]) * share;
    }
  }
}

function meets(leaves: Leaves, step: number, inputs: Float32Array): boolean {
  const { comparisons, upperInputs, uppers, lowerInputs, lowers } = leaves;
  const end = comparisons[step + 1];
  for (let index = comparisons[step]; index < end; index++) {
    if (!(inputs[upperInputs[index]] <= uppers[index])) return false;
    if (inputs[lowerInputs[index]] <= lowers[index]) return false;
  }
  return true;
}

function layOut(paths: readonly LeafPath[]): Leaves {
  const steps = paths.flatMap(({ conditions }) => conditions);
  const comparisons = steps.flatMap((step) => step.comparisons);
  const longest = Math.max(0, ...paths.map(({ conditions }) => conditions.length));
  if (longest > STEPS_MAX)
    throw new RangeError(`a path asks for ${longest} features, more than ${STEPS_MAX}`);
  const quadratures = Array.from({ length: longest + 1 }, (_, length) => quadratureOf(length));
  const known = paths.flatMap(({ conditions }) =>
    conditions.flatMap(({ z }) =>
      Array.from(quadratures[conditions.length].unknown, (rest) => 1 - rest + rest * z),
    ),
  );
  const pointsOf = paths.flatMap(({ conditions }) =>
    conditions.map(() => quadratures[conditions.length].unknown.length),
  );
  return {
    weights: Float64Array.from(paths, ({ weight }) => weight),
    steps: startsOf(paths.map(({ conditions }) => conditions.length)),
    features: Int32Array.from(steps, ({ feature }) => feature),
    zs: Float64Array.from(steps, ({ z }) => z),
    comparisons: startsOf(steps.map((step) => step.comparisons.length)),
    factors: startsOf(pointsOf),
    upperInputs: Int32Array.from(comparisons, ({ upperInput }) => upperInput),
    uppers: Float32Array.from(comparisons, ({ upper }) => upper),
    lowerInputs: Int32Array.from(comparisons, ({ lowerInput }) => lowerInput),
    lowers: Float32Array.from(comparisons, ({ lower }) => lower),
    known: Float64Array.from(known),
    inverses: Float64Array.from(known, (value) => 1 / value),
    quadratures,
  };
}

/** Where each of parts that lie one after the other begins, and where the last one ends. */
function startsOf(lengths: readonly number[]): Int32Array {
  const starts = new Int32Array(lengths.length + 1);
  lengths.forEach((length, index) => {
    starts[index + 1] = starts[index] + length;
  });
  return starts;
}

function quadratureOf(length: number): Quadrature {
  const { points, weights } = gaussLegendre(Math.ceil(length / 2));
  const unknown = points.map((point) => 1 - point);
  const byUnmet = Array.from({ length: length + 1 }, (_, unmet) =>
    Array.from(unknown, (rest, point) => weights[point] * rest ** unmet),
  );
  return { unknown, weights: Float64Array.from(byUnmet.flat()) };
}
