import { ErrorReply } from 'redis';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import type { RedisHealth } from './redis-health.ts';

/** Name, then the key (in a script call: name, digest, '1', the key), then what else the command takes. */
export type Command = readonly (string | Buffer)[];
/** Texts and numbers of the protocol as such; values are Buffers, null where there is none. */
export type Reply = string | number | Buffer | null | readonly Reply[];

export type RunOptions = {
  /** After this long the call rejects, and the server that did not answer counts as away. */
  readonly deadlineMs: number;
  /** Whether it says something about the servers' taking writes. */
  readonly isWrite: boolean;
};

/** One Redis server, or the masters of a cluster. */
export interface RedisServers extends AsyncDisposable {
  readonly health: RedisHealth;
  /** Resolves once all servers answer, or after so long: they may be away, and come back later. */
  connected(withinMs: number): Promise<void>;
  /**
   * Sends commands, each about one key, in one round trip. Those about the same key are executed in their order.
   * Where one of them fails all fail, though some may have been executed.
   * @throws StoreUnavailableError by rejection, whatever the reason
   */
  run(commands: readonly Command[], options: RunOptions): Promise<readonly Reply[]>;
  /** Sends a command to each server. @throws StoreUnavailableError by rejection */
  runOnEach(command: Command, options: RunOptions): Promise<readonly Reply[]>;
  /** As many servers as `runOnEach` asks; the index is their place in its answer. */
  runOn(serverIndex: number, commands: readonly Command[], options: RunOptions): Promise<readonly Reply[]>;
}

export function keyOf(command: Command): string {
  return (command[0] === 'EVALSHA' || command[0] === 'EVAL' ? command[3] : command[1]) as string;
}

/** @throws StoreUnavailableError naming the first refusal among the replies */
export function assertAccepted(replies: readonly (Reply | Error)[]): asserts replies is readonly Reply[] {
  const refusal = replies.find((reply) => reply instanceof ErrorReply);
  if (refusal) throw refusalOf(refusal);
}

/** Redis may say the arguments of a command that it does not know; those are nobody's business. */
export function refusalOf(reply: ErrorReply): StoreUnavailableError {
  const [said] = reply.message.split(', with args');
  return new StoreUnavailableError(`Redis refuses: ${said}`);
}
