import { ClusterRedis } from './cluster-redis.ts';
import { RedisDecisionIndex } from './redis-decision-index.ts';
import { RedisFeatureStore } from './redis-feature-store.ts';
import type { RedisHealth } from './redis-health.ts';
import { RedisRestorer } from './redis-restorer.ts';
import type { RedisServers } from './redis-servers.ts';
import type { RedisSettings } from './redis-settings.ts';
import { SingleRedis } from './single-redis.ts';

export type RedisStoresOptions = {
  /** Put before every key; empty unless said. */
  readonly keyPrefix?: string;
  /** Told whenever the health has changed, for logs and metrics. Must not throw. */
  readonly onHealthChange?: (health: RedisHealth) => void;
  /** How long to wait for the first connection; the stores are opened without it then. */
  readonly connectWithinMs?: number;
};

const CONNECT_WITHIN_MS = 2_000;

/** The views that several processes share: histories and decisions in Redis. */
export class RedisStores implements AsyncDisposable {
  readonly featureStore: RedisFeatureStore;
  readonly decisionIndex: RedisDecisionIndex;
  /** For `fraud rebuild`. */
  readonly restorer: RedisRestorer;
  readonly #servers: RedisServers;

  private constructor(servers: RedisServers, settings: RedisSettings, keyPrefix: string) {
    const { deadlines, decisionSeconds, historySeconds } = settings;
    const { recordMs, findMs, claimMs } = deadlines;
    this.#servers = servers;
    this.featureStore = new RedisFeatureStore(servers, { keyPrefix, recordMs, historySeconds });
    this.decisionIndex = new RedisDecisionIndex(servers, {
      keyPrefix,
      findMs,
      claimMs,
      labelMs: recordMs,
      decisionSeconds,
    });
    this.restorer = new RedisRestorer(servers, { keyPrefix, decisionSeconds, historySeconds });
  }

  /** Opens them whether or not Redis is there; `health` says so, and calls reject until it comes. */
  static async open(settings: RedisSettings, options: RedisStoresOptions = {}): Promise<RedisStores> {
    const { keyPrefix = '', onHealthChange = () => {}, connectWithinMs = CONNECT_WITHIN_MS } = options;
    const { isCluster, security } = settings;
    const servers = new (isCluster ? ClusterRedis : SingleRedis)(settings, security, onHealthChange);
    await servers.connected(connectWithinMs);
    return new RedisStores(servers, settings, keyPrefix);
  }

  get health(): RedisHealth {
    return this.#servers.health;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]();
  }
}
