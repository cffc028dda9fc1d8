import type { RedisAddress } from './redis-link.ts';
import type { Reply } from './redis-servers.ts';

/** The slots from `first` to `last`, and who has them. */
export type ShardAddresses = {
  readonly first: number;
  readonly last: number;
  readonly master: RedisAddress;
  readonly replicas: readonly RedisAddress[];
};

/** Where a command belongs that a node has refused. */
export type Redirection = RedisAddress & {
  /** The slot is on its way there: the node must be told that the command is meant for it. */
  readonly isAsking: boolean;
};

/**
 * The reply to CLUSTER SLOTS: `[first, last, [host, port, ...], ...replicas]` for each range of slots.
 * @param askedHost stands for a host that the node does not know: its own
 */
export function parseMap(reply: Reply, askedHost: string): ShardAddresses[] {
  return (reply as Reply[][]).map(([first, last, ...nodes]) => {
    const [master, ...replicas] = nodes.map((node) => {
      const [host, port] = node as readonly Reply[];
      return { host: String(host ?? '') || askedHost, port: Number(port) };
    });
    return { first: Number(first), last: Number(last), master, replicas };
  });
}

/** Of an error `MOVED 3999 127.0.0.1:6381` or `ASK 3999 127.0.0.1:6381`; undefined for everything else. */
export function parseRedirection(reply: unknown): Redirection | undefined {
  if (!(reply instanceof Error)) return undefined;
  const match = /^(MOVED|ASK) \d+ (.*):(\d+)$/.exec(reply.message);
  return match ? { isAsking: match[1] === 'ASK', host: match[2], port: Number(match[3]) } : undefined;
}
