/**
 * Random numbers that are the same for the same seed, on every machine and for ever.
 *
 * The generator is xoshiro128** 1.1 (Blackman and Vigna, 2018; public domain), its state filled from a seed by
 * splitmix64 (Steele, Lea and Flood, 2014; Vigna's constants), both held to published vectors by a test.
 */
export type Random = {
  /** A whole number from 0 to 2^32 - 1. */
  readonly nextUint32: () => number;
  /** From 0, inclusive, to 1, exclusive, with 53 random bits. */
  readonly unit: () => number;
  readonly between: (low: number, high: number) => number;
  /** A whole number from 0 to `bound` - 1. */
  readonly below: (bound: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly normal: (mean: number, standardDeviation: number) => number;
  readonly poisson: (mean: number) => number;
};

/** Generators of one seed with different `stream` numbers are independent: a draw more in one changes no other. */
export function createRandom(seed: number, stream: number): Random {
  const scrambled = splitmix64(BigInt(seed))();
  const next = splitmix64(scrambled ^ BigInt(stream));
  const [one, two] = [next(), next()];
  return distributions(xoshiro128StarStar([low32(one), high32(one), low32(two), high32(two)]));
}

/** @param state four 32-bit words, not all zero */
export function xoshiro128StarStar(state: readonly [number, number, number, number]): () => number {
  let [s0, s1, s2, s3] = state;
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = rotateLeft(s3, 11);
    return result;
  };
}

export function splitmix64(seed: bigint): () => bigint {
  let state = BigInt.asUintN(64, seed);
  return () => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let mixed = state;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };
}

function distributions(nextUint32: () => number): Random {
  const unit = () => ((nextUint32() >>> 5) * 0x4000000 + (nextUint32() >>> 6)) / 0x20000000000000;
  return {
    nextUint32,
    unit,
    between: (low, high) => low + (high - low) * unit(),
    below: (bound) => Math.floor(unit() * bound),
    chance: (probability) => unit() < probability,
    // Box and Muller (1958); the second number of each pair is not kept, so that draws do not depend on what came before.
    normal: (mean, standardDeviation) =>
      mean + standardDeviation * Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit()),
    poisson: (mean) => poisson(unit, mean),
  };
}

/** Knuth's method: about `mean` + 1 draws, which is little for the means of a handful that are wanted here. */
function poisson(unit: () => number, mean: number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = unit(); product > limit; product *= unit()) count++;
  return count;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function low32(word: bigint): number {
  return Number(word & 0xffffffffn);
}

function high32(word: bigint): number {
  return Number(word >> 32n);
}
