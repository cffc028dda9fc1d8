/** What is known of the servers' state, for readiness, logs and metrics. */
export type RedisHealth = {
  /** A server does not answer: calls that need it are rejected at once until it does. */
  readonly isAway: boolean;
  /** A server answers, but refuses to write: out of memory, a replica, half a cluster. */
  readonly isRefusing: boolean;
  /** When this began, milliseconds since 1970; undefined while all is well. */
  readonly sinceMs: number | undefined;
  /** The newest reason of any trouble so far. */
  readonly lastError: Error | undefined;
};

/** Puts together what the connections and the calls have met. */
export class HealthMonitor {
  readonly #onChange: (health: RedisHealth) => void;
  readonly #awaySinceMs = new Map<string, number>();
  #refusingSinceMs: number | undefined;
  #lastError: Error | undefined;

  constructor(onChange: (health: RedisHealth) => void) {
    this.#onChange = onChange;
  }

  get health(): RedisHealth {
    const since = [...this.#awaySinceMs.values(), this.#refusingSinceMs ?? Number.POSITIVE_INFINITY];
    const sinceMs = Math.min(...since);
    return {
      isAway: this.#awaySinceMs.size > 0,
      isRefusing: this.#refusingSinceMs !== undefined,
      sinceMs: Number.isFinite(sinceMs) ? sinceMs : undefined,
      lastError: this.#lastError,
    };
  }

  away(address: string, error: Error): void {
    this.#lastError = error;
    if (this.#awaySinceMs.has(address)) return;
    this.#awaySinceMs.set(address, Date.now());
    this.#onChange(this.health);
  }

  /** The server answers, or is none of ours any more. */
  back(address: string): void {
    if (this.#awaySinceMs.delete(address)) this.#onChange(this.health);
  }

  refused(error: Error): void {
    this.#lastError = error;
    if (this.#refusingSinceMs !== undefined) return;
    this.#refusingSinceMs = Date.now();
    this.#onChange(this.health);
  }

  /** A batch that writes has gone through. */
  accepted(): void {
    if (this.#refusingSinceMs === undefined) return;
    this.#refusingSinceMs = undefined;
    this.#onChange(this.health);
  }
}
