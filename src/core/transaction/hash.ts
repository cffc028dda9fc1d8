/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain, https://github.com/aappleby/smhasher) of an ASCII text.
 * Not cryptographic: whoever chooses ids can make two of them collide. Ids are chosen by the payment service.
 */
export function murmur3(text: string, seed: number): number {
  let hash = seed | 0;
  const wholeBlocks = text.length & ~3;
  for (let index = 0; index < wholeBlocks; index += 4) {
    const block =
      text.charCodeAt(index) |
      (text.charCodeAt(index + 1) << 8) |
      (text.charCodeAt(index + 2) << 16) |
      (text.charCodeAt(index + 3) << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let index = text.length - 1; index >= wholeBlocks; index--)
    tail = (tail << 8) | text.charCodeAt(index);
  hash ^= scramble(tail) ^ text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

/** The two halves of the 64 bits by which histories know a transaction again. */
export const ID_HASH_SEEDS = [0, 0x9747b28c] as const;
