/**
 * Which arm a user is in: a pure function of the experiment's salt and the user, so that a person never flips between
 * models, whatever process, restart or door the transaction comes through.
 *
 *   share = murmur3_x86_32(salt + ":" + user_id, seed 0) / 2^32 * 100
 *   arm A if share < percent of A, else B
 */
import type { Arm } from '../decision/decision.ts';
import { murmur3 } from '../transaction/hash.ts';
import type { UserId } from '../transaction/ids.ts';

export function assignArm(salt: string, userId: UserId, percentA: number): Arm {
  return (murmur3(`${salt}:${userId}`, 0) / 2 ** 32) * 100 < percentA ? 'A' : 'B';
}

/** `text` is not two shares of a whole. */
export class SplitError extends Error {
  readonly code = 'bad-split';
}

/** The percent of users in arm A, from "90:10". @throws SplitError */
export function parseSplit(text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,3})?):(\d{1,3}(?:\.\d{1,3})?)$/.exec(text);
  if (!match) throw new SplitError(`"${text}" is not a split such as 90:10`);
  const [percentA, percentB] = [Number(match[1]), Number(match[2])];
  const sum = Number((percentA + percentB).toFixed(3));
  if (sum !== 100) throw new SplitError(`the split ${text} adds up to ${sum}, not to 100`);
  return percentA;
}
