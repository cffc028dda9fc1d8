/**
 * A Redis Cluster: a connection to each master, and which of them has which slot.
 *
 * Commands go straight to the master of their key's slot. Where that is another one by now (`MOVED`, or `ASK` while a slot
 * is on its way) the refused commands are sent once more, within the same deadline. The map is asked for again after a
 * `MOVED` and as long as a master is away, from any node that answers, until its replica has taken over.
 *
 * node-redis's own cluster client waits for nodes, follows redirections without a deadline and keeps a map of a master
 * that hangs, since its connection is still open; a decision cannot wait for that.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ErrorReply } from 'redis';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import { parseMap, parseRedirection, type Redirection, type ShardAddresses } from './cluster-map.ts';
import { SLOTS, slotOf } from './key-slot.ts';
import { HealthMonitor, type RedisHealth } from './redis-health.ts';
import { nameOf, type RedisAddress, RedisLink } from './redis-link.ts';
import {
  assertAccepted,
  type Command,
  keyOf,
  type RedisServers,
  type Reply,
  type RunOptions,
} from './redis-servers.ts';
import type { RedisSecurity } from './redis-settings.ts';
import { untilConnected } from './until-connected.ts';

/** How often the map is asked for while a master is away. */
const REFRESH_EVERY_MS = 200;
/** For one node to tell the map. */
const MAP_WITHIN_MS = 500;

type Answer = Reply | ErrorReply;
type Share = { readonly link: RedisLink; readonly indices: number[]; readonly commands: Command[] };

export class ClusterRedis implements RedisServers {
  readonly #seed: RedisAddress;
  readonly #security: RedisSecurity;
  readonly #monitor: HealthMonitor;
  readonly #mapped = Promise.withResolvers<void>();
  /** By slot; undefined where the cluster has nobody for it. */
  #masters = new Array<RedisLink | undefined>(SLOTS);
  #links = new Map<string, RedisLink>();
  /** All nodes that were in the newest map. */
  #known: readonly RedisAddress[];
  #isClosed = false;
  #isRefreshing = false;

  constructor(seed: RedisAddress, security: RedisSecurity, onChange: (health: RedisHealth) => void) {
    const { host, port } = seed;
    this.#seed = { host, port };
    this.#known = [this.#seed];
    this.#security = security;
    this.#monitor = new HealthMonitor((health) => {
      if (health.isAway) this.#refresh();
      onChange(health);
    });
    this.#linkTo(this.#seed);
    this.#refresh();
  }

  get health(): RedisHealth {
    return this.#monitor.health;
  }

  async connected(withinMs: number): Promise<void> {
    const all = this.#mapped.promise.then(() =>
      Promise.all([...this.#links.values()].map(({ back }) => back)),
    );
    await untilConnected(all, withinMs);
  }

  async run(commands: readonly Command[], { deadlineMs, isWrite }: RunOptions): Promise<readonly Reply[]> {
    const startedMs = performance.now();
    const answers = new Array<Answer>(commands.length);
    await this.#send(this.#sharesOf(commands), answers, deadlineMs);
    const refused = answers.some((answer) => answer instanceof ErrorReply);
    if (refused) {
      await this.#follow(commands, answers, deadlineMs - (performance.now() - startedMs));
      this.#assertAccepted(answers);
    }
    if (isWrite) this.#monitor.accepted();
    return answers as Reply[];
  }

  async runOnEach(command: Command, { deadlineMs }: RunOptions): Promise<readonly Reply[]> {
    const answers = await Promise.all(this.#servers().map((link) => link.send([command], deadlineMs)));
    return this.#assertAccepted(answers.flat());
  }

  async runOn(index: number, commands: readonly Command[], options: RunOptions): Promise<readonly Reply[]> {
    return this.#assertAccepted(await this.#servers()[index].send(commands, options.deadlineMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close();
  }

  /** The masters, in the order of their first slots. */
  #servers(): RedisLink[] {
    return [...new Set(this.#masters)].filter((link) => link !== undefined);
  }

  #assertAccepted(answers: readonly Answer[]): readonly Reply[] {
    try {
      assertAccepted(answers);
      return answers;
    } catch (error) {
      this.#monitor.refused(error as Error);
      throw error;
    }
  }

  /** The commands by the master of their key. */
  #sharesOf(commands: readonly Command[]): Iterable<Share> {
    const shares = new Map<RedisLink, Share>();
    for (let index = 0; index < commands.length; index++) {
      const link = this.#masters[slotOf(keyOf(commands[index]))];
      if (!link) {
        this.#refresh();
        throw new StoreUnavailableError('the Redis Cluster has no master for a key');
      }
      addTo(shares, link, index, [commands[index]]);
    }
    return shares.values();
  }

  /** Where one share fails, all do; the others are on their way already. */
  async #send(shares: Iterable<Share>, answers: Answer[], deadlineMs: number): Promise<void> {
    const sent = Array.from(shares, async ({ link, indices, commands }) => {
      const replies = await link.send(commands, deadlineMs);
      // Each command's own reply is the last of those that were sent for it.
      const each = replies.length / indices.length;
      for (let index = 0; index < indices.length; index++)
        answers[indices[index]] = replies[(index + 1) * each - 1];
    });
    await Promise.all(sent);
  }

  /** Sends what was redirected to where it belongs, once. */
  async #follow(commands: readonly Command[], answers: Answer[], withinMs: number): Promise<void> {
    const moved = new Map<RedisLink, Share>();
    const asked = new Map<RedisLink, Share>();
    for (let index = 0; index < answers.length; index++) {
      const redirection = parseRedirection(answers[index]);
      if (redirection === undefined) continue;
      const link = this.#linkTo(this.#addressOf(redirection, commands[index]));
      if (redirection.isAsking) addTo(asked, link, index, [['ASKING'], commands[index]]);
      else addTo(moved, link, index, [commands[index]]);
    }
    if (moved.size > 0) this.#refresh();
    if (moved.size + asked.size === 0 || withinMs <= 0) return;
    await this.#send([...moved.values(), ...asked.values()], answers, withinMs);
  }

  /** A node that knows no name for itself says none: it is the one that was asked. */
  #addressOf({ host, port }: Redirection, command: Command): RedisAddress {
    const asked = this.#masters[slotOf(keyOf(command))]?.address ?? this.#seed;
    return { host: host || asked.host, port };
  }

  #linkTo(address: RedisAddress): RedisLink {
    const name = nameOf(address);
    const link = this.#links.get(name) ?? new RedisLink(address, this.#security, this.#monitor);
    this.#links.set(name, link);
    return link;
  }

  /** Asks for the map, and goes on to while a master is away. */
  #refresh(): void {
    if (this.#isRefreshing || this.#isClosed) return;
    this.#isRefreshing = true;
    void this.#refreshUntilThere().finally(() => {
      this.#isRefreshing = false;
    });
  }

  async #refreshUntilThere(): Promise<void> {
    do {
      const shards = await this.#askForMap();
      if (this.#isClosed) return;
      if (shards) this.#take(shards);
      await delay(REFRESH_EVERY_MS, undefined, { ref: false });
    } while (!this.#isClosed && this.health.isAway);
  }

  async #askForMap(): Promise<readonly ShardAddresses[] | undefined> {
    const there = [...this.#links.values()].filter(({ isAway }) => !isAway);
    for (const link of there) {
      const shards = await mapFrom(link);
      if (shards) return shards;
    }
    for (const address of [...this.#known, this.#seed]) {
      const link = new RedisLink(address, this.#security, new HealthMonitor(() => {}));
      await untilConnected(link.back, MAP_WITHIN_MS);
      const shards = await mapFrom(link);
      link.close();
      if (shards) return shards;
    }
    return undefined;
  }

  /** Connects to the masters of the map and lets go of all others. */
  #take(shards: readonly ShardAddresses[]): void {
    const masters = new Array<RedisLink | undefined>(SLOTS);
    for (const { first, last, master } of shards) masters.fill(this.#linkTo(master), first, last + 1);
    const inUse = new Set(masters);
    for (const [name, link] of this.#links) {
      if (inUse.has(link)) continue;
      link.close();
      this.#links.delete(name);
    }
    this.#masters = masters;
    this.#known = shards.flatMap(({ master, replicas }) => [master, ...replicas]);
    this.#mapped.resolve();
  }
}

function addTo(
  shares: Map<RedisLink, Share>,
  link: RedisLink,
  index: number,
  commands: readonly Command[],
): void {
  let share = shares.get(link);
  if (share === undefined) {
    share = { link, indices: [], commands: [] };
    shares.set(link, share);
  }
  share.indices.push(index);
  share.commands.push(...commands);
}

/** Undefined if the node does not tell, or knows of no slots. */
async function mapFrom(link: RedisLink): Promise<readonly ShardAddresses[] | undefined> {
  try {
    const [reply] = await link.send([['CLUSTER', 'SLOTS']], MAP_WITHIN_MS);
    if (reply instanceof ErrorReply) return undefined;
    const shards = parseMap(reply, link.address.host);
    return shards.length > 0 ? shards : undefined;
  } catch {
    return undefined; // the next node may tell
  }
}
