import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur3 } from './hash.ts';

// Vectors of MurmurHash3_x86_32 as its Wikipedia article and https://stackoverflow.com/a/31929528 (Ian Boyd) list them.
const VECTORS: readonly (readonly [text: string, seed: number, hash: number])[] = [
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['\xff\xff\xff\xff', 0, 0x76293b50],
  ['!Ce\x87', 0, 0xf55b516b],
  ['!Ce\x87', 0x5082edee, 0x2362f9de],
  ['!Ce', 0, 0x7e4a8634],
  ['!C', 0, 0xa0f7b07a],
  ['!', 0, 0x72661cf4],
  ['\0\0\0\0', 0, 0x2362f9de],
  ['\0\0\0', 0, 0x85f0b427],
  ['\0\0', 0, 0x30f4c306],
  ['\0', 0, 0x514e28b7],
  ['test', 0, 0xba6bd213],
  ['test', 0x9747b28c, 0x704b81dc],
  ['Hello, world!', 0, 0xc0363e43],
  ['Hello, world!', 0x9747b28c, 0x24884cba],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['aaa', 0x9747b28c, 0x283e0130],
  ['aa', 0x9747b28c, 0x5d211726],
  ['a', 0x9747b28c, 0x7fa09ea6],
  ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
  ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
];

test('murmur3 equals the published vectors', () => {
  for (const [text, seed, hash] of VECTORS) {
    assert.equal(murmur3(text, seed), hash, `${JSON.stringify(text)} with seed ${seed}`);
  }
});

/** The value by which SMHasher (main.cpp, `VerificationTest`) knows a right MurmurHash3_x86_32: 0xB0F57EE3. */
test('murmur3 has SMHasher’s verification value', () => {
  const keys = Array.from({ length: 256 }, (_, length) =>
    String.fromCharCode(...Array.from({ length }, (_, index) => index)),
  );
  const hashes = Buffer.alloc(256 * 4);
  for (const [length, key] of keys.entries()) hashes.writeUInt32LE(murmur3(key, 256 - length), length * 4);
  assert.equal(murmur3(hashes.toString('latin1'), 0), 0xb0f57ee3);
});
