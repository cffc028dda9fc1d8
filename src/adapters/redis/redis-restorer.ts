import type { Decision } from '../../core/decision/decision.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import { encodeDecisions, encodeLabel, LOGGED } from './redis-decision-index.ts';
import type { Command, RedisServers, Reply } from './redis-servers.ts';

export type RedisRestorerOptions = {
  readonly keyPrefix: string;
  readonly decisionSeconds: number;
  readonly historySeconds: number;
};

/** A whole history, as EntityHistory.toBytes gives it. */
export type RestoredHistory = {
  readonly entity: 'user' | 'terminal';
  readonly id: string;
  readonly bytes: Uint8Array;
};

/** Commands in one round trip: a few megabytes of histories at most. */
const BATCH_COMMANDS = 256;
/** Keys that a server looks at in one step, and that it may be held up for. */
const SCAN_KEYS = 1_000;
const KINDS = ['user:', 'terminal:', 'decision:', 'label:'];
/** Nobody waits for a payment here; what takes longer than this is a server that is gone. */
const OPTIONS = { deadlineMs: 10_000, isWrite: true };

/** Empties and fills the stores in bulk. Nothing else may write meanwhile: what it does is not atomic. */
export class RedisRestorer {
  readonly #servers: RedisServers;
  readonly #options: RedisRestorerOptions;

  constructor(servers: RedisServers, options: RedisRestorerOptions) {
    this.#servers = servers;
    this.#options = options;
  }

  /**
   * Removes all keys that are ours.
   * @returns how many there were
   * @throws StoreUnavailableError by rejection
   */
  async removeAll(): Promise<number> {
    const first = await this.#servers.runOnEach(this.#scan('0'), OPTIONS);
    let removed = 0;
    for (let index = 0; index < first.length; index++) removed += await this.#removeFrom(index, first[index]);
    return removed;
  }

  /** Puts histories in the place of what is there. @throws StoreUnavailableError by rejection */
  async restoreHistories(histories: readonly RestoredHistory[]): Promise<void> {
    const { keyPrefix, historySeconds } = this.#options;
    await this.#run(
      histories.map(({ entity, id, bytes }) => [
        'SET',
        `${keyPrefix}${entity}:${id}`,
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        'EX',
        String(historySeconds),
      ]),
    );
  }

  /** Puts decisions that are in the log; the first of each id stays. @throws StoreUnavailableError by rejection */
  async restoreDecisions(decisions: readonly Decision[]): Promise<void> {
    const { keyPrefix, decisionSeconds } = this.#options;
    const values = encodeDecisions(decisions, LOGGED);
    await this.#run(
      decisions.map(({ transaction }, index) => [
        'SET',
        `${keyPrefix}decision:${transaction.transactionId}`,
        values[index],
        'NX',
        'EX',
        String(decisionSeconds),
      ]),
    );
  }

  /** Puts what is known of decisions; the last of each id stays. @throws StoreUnavailableError by rejection */
  async restoreLabels(labels: readonly KnownLabel[]): Promise<void> {
    const { keyPrefix, decisionSeconds } = this.#options;
    await this.#run(
      labels.map((label) => [
        'SET',
        `${keyPrefix}label:${label.transactionId}`,
        encodeLabel(label),
        'EX',
        String(decisionSeconds),
      ]),
    );
  }

  async #run(commands: readonly Command[]): Promise<void> {
    for (let first = 0; first < commands.length; first += BATCH_COMMANDS) {
      await this.#servers.run(commands.slice(first, first + BATCH_COMMANDS), OPTIONS);
    }
  }

  async #removeFrom(serverIndex: number, scanned: Reply): Promise<number> {
    let removed = 0;
    let [cursor, keys] = scanned as [Buffer, Buffer[]];
    for (;;) {
      const ours = keys.map(String).filter((key) => this.#isOurs(key));
      await this.#run(ours.map((key) => ['UNLINK', key]));
      removed += ours.length;
      if (String(cursor) === '0') return removed;
      const [next] = await this.#servers.runOn(serverIndex, [this.#scan(String(cursor))], OPTIONS);
      [cursor, keys] = next as [Buffer, Buffer[]];
    }
  }

  #scan(cursor: string): Command {
    const pattern = `${this.#options.keyPrefix.replace(/[*?[\]\\^]/g, '\\$&')}[dltu]*:*`;
    return ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(SCAN_KEYS)];
  }

  #isOurs(key: string): boolean {
    return KINDS.some((kind) => key.startsWith(this.#options.keyPrefix + kind));
  }
}
