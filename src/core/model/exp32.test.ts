import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { exp32 } from './exp32.ts';

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

describe('exp32', () => {
  // Bits of x and of expf(x), called through ctypes: Debian’s glibc 2.36 on x86-64, the same with and without FMA.
  const published: readonly (readonly [
    what: string,
    pairs: readonly (readonly [x: number, result: number])[],
  ])[] = [
    [
      'zero and the least floats',
      [
        [0x80000000, 0x3f800000],
        [0x00000000, 0x3f800000],
        [0x80000001, 0x3f800000],
        [0x00000001, 0x3f800000],
      ],
    ],
    [
      'where 1 begins to show a change',
      [
        [0xb3000000, 0x3f800000],
        [0xb3800000, 0x3f7fffff],
        [0xb4000000, 0x3f7ffffe],
      ],
    ],
    [
      'whole numbers and ln 2',
      [
        [0xbf800000, 0x3ebc5ab2],
        [0x3f800000, 0x402df854],
        [0xc0000000, 0x3e0a9555],
        [0xc1200000, 0x383e6bce],
        [0xc1300000, 0x378c1aa1],
        [0xbf317218, 0x3f000000],
        [0x3f317218, 0x40000000],
      ],
    ],
    [
      'where results become subnormal',
      [
        [0xc2aeac4f, 0x00800026],
        [0xc2aeac50, 0x007fffe6],
        [0xc2aeac51, 0x007fffa6],
      ],
    ],
    [
      'where results become zero',
      [
        [0xc2cff1b4, 0x00000001],
        [0xc2cff1b5, 0],
        [0xc2cff1b6, 0],
        [0xff7fffff, 0],
        [0xff800000, 0],
      ],
    ],
    [
      'where results become infinite',
      [
        [0x42b17217, 0x7f7fff84],
        [0x42b17218, 0x7f800000],
        [0x42b17219, 0x7f800000],
        [0x7f7fffff, 0x7f800000],
        [0x7f800000, 0x7f800000],
      ],
    ],
    [
      'where expf is not the float nearest to e^x',
      [
        [0xbe3530fa, 0x3f567bc7],
        [0xc048717a, 0x3d32b93a],
        [0xc15c55d2, 0x358c5560],
        [0xbb856025, 0x3f7ef5cb],
        [0xbf832c2b, 0x3eb7be44],
        [0xc1248c2d, 0x380f4f8e],
        [0xc08f9622, 0x3c386092],
        [0xc181095e, 0x33d44c2c],
        [0xc0e6f3cf, 0x3a405d17],
        [0xc14d62b0, 0x36329d76],
        [0xc11d4d9e, 0x38616151],
        [0xc13fb4e7, 0x36d1faf8],
        [0xc11179e1, 0x38ec0035],
        [0xc13c2079, 0x370350d3],
      ],
    ],
  ];
  for (const [what, pairs] of published) {
    test(`has expf’s bits ${what}`, () => {
      for (const [x, result] of pairs) assert.equal(hex(exp32Bits(x)), hex(result), `e^${toFloat(x)}`);
    });
  }

  // for (uint64_t x = 0x80000000; x < 0xc2d80000; x += 1009) hash = hash * 31 + bits_of(expf(float_of(x)));
  test('has expf’s bits over a million floats from 0 down to -108', () => {
    let hash = 0;
    for (let x = 0x80000000; x < 0xc2d80000; x += 1009) hash = (Math.imul(hash, 31) + exp32Bits(x)) | 0;
    assert.equal(hex(hash), '00b85e4d');
  });

  test('is within one float of e^x everywhere, and never falls', () => {
    const property = fc.property(fc.float({ min: -104, max: Math.fround(88.5), noNaN: true }), (x) => {
      const [exact, found] = [Math.exp(x), exp32(x)];
      assert.ok(
        Math.abs(found - exact) <= Math.max(exact * 2 ** -23, 2 ** -149),
        `${x}: ${found}, not ${exact}`,
      );
      assert.ok(exp32(Math.fround(x + Math.abs(x) * 2 ** -20)) >= found, `falls behind ${x}`);
    });
    fc.assert(property, { numRuns: 5000 });
  });

  test('of what is no number is none', () => assert.equal(exp32(Number.NaN), Number.NaN));
});

function exp32Bits(x: number): number {
  float[0] = exp32(toFloat(x));
  return bits[0];
}

function toFloat(itsBits: number): number {
  bits[0] = itsBits;
  return float[0];
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
