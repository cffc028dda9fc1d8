import { HealthMonitor, type RedisHealth } from './redis-health.ts';
import { type RedisAddress, RedisLink } from './redis-link.ts';
import {
  assertAccepted,
  type Command,
  type RedisServers,
  type Reply,
  type RunOptions,
} from './redis-servers.ts';
import type { RedisSecurity } from './redis-settings.ts';
import { untilConnected } from './until-connected.ts';

/** A single server, or whatever stands at its address: where that has become a replica, the address is asked again. */
export class SingleRedis implements RedisServers {
  readonly #monitor: HealthMonitor;
  readonly #link: RedisLink;

  constructor(address: RedisAddress, security: RedisSecurity, onChange: (health: RedisHealth) => void) {
    this.#monitor = new HealthMonitor(onChange);
    this.#link = new RedisLink(address, security, this.#monitor);
  }

  get health(): RedisHealth {
    return this.#monitor.health;
  }

  connected(withinMs: number): Promise<void> {
    return untilConnected(this.#link.back, withinMs);
  }

  async run(commands: readonly Command[], { deadlineMs, isWrite }: RunOptions): Promise<readonly Reply[]> {
    const replies = await this.#link.send(commands, deadlineMs);
    try {
      assertAccepted(replies);
    } catch (error) {
      this.#refused(error as Error);
      throw error;
    }
    if (isWrite) this.#monitor.accepted();
    return replies;
  }

  runOnEach(command: Command, options: RunOptions): Promise<readonly Reply[]> {
    return this.run([command], options);
  }

  runOn(_serverIndex: number, commands: readonly Command[], options: RunOptions): Promise<readonly Reply[]> {
    return this.run(commands, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#link.close();
  }

  #refused(error: Error): void {
    this.#monitor.refused(error);
    if (error.message.includes('READONLY')) this.#link.reconnect(error);
  }
}
