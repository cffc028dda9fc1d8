import { createHash } from 'node:crypto';
import type { AppendedEntity } from './append-batch.ts';
import type { Command, RedisServers } from './redis-servers.ts';

/**
 * Puts a folded history in the place of the bytes that it was folded from, with whatever was appended since behind it.
 * It does nothing unless the history still begins with all of these bytes, so no append and no other fold is ever lost.
 * To compare them whole costs their transfer once in 64 records, and leaves nothing to argue about.
 */
const SCRIPT = `
local length = #ARGV[1]
if redis.call('GETRANGE', KEYS[1], 0, length - 1) ~= ARGV[1] then return 0 end
local appended = redis.call('GETRANGE', KEYS[1], length, -1)
redis.call('SET', KEYS[1], ARGV[2] .. appended, 'KEEPTTL')
return 1
`;
const SCRIPT_DIGEST = createHash('sha1').update(SCRIPT).digest('hex');

/** Folds under way at a time, in all; further ones wait for the next reader of their history. */
const FOLDS_MAX = 8;
/** Nobody waits for a fold, but a server that does not answer for so long is away. */
const FOLD_MS = 1_000;

/** Keeps histories short behind the scenes: nothing depends on whether a fold happens, or when. */
export class HistoryFolder {
  readonly #servers: RedisServers;
  /** Keys of the histories that are being folded. */
  readonly #folding = new Set<string>();

  constructor(servers: RedisServers) {
    this.#servers = servers;
  }

  /** Starts to fold a history that was read if that is worthwhile. */
  consider({ key, bytes, history }: AppendedEntity): void {
    if (this.#folding.size >= FOLDS_MAX || this.#folding.has(key)) return;
    const folded = history.folded();
    if (folded === undefined) return;
    this.#folding.add(key);
    this.#fold(key, bytes, Buffer.from(folded.buffer))
      .catch(() => {}) // the next reader tries again
      .finally(() => this.#folding.delete(key));
  }

  async #fold(key: string, read: Buffer, folded: Buffer): Promise<void> {
    const call: Command = ['EVALSHA', SCRIPT_DIGEST, '1', key, read, folded];
    try {
      await this.#run(call);
    } catch (error) {
      if (!(error as Error).message.includes('NOSCRIPT')) throw error;
      await this.#run(['EVAL', SCRIPT, ...call.slice(2)]);
    }
  }

  async #run(command: Command): Promise<void> {
    await this.#servers.run([command], { deadlineMs: FOLD_MS, isWrite: false });
  }
}
