import type { Decision } from '../../core/decision/decision.ts';
import type { IndexedDecision } from '../../pipeline/decision-index.ts';
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

export type RestoredDecision = {
  readonly decision: Decision;
  readonly label: IndexedDecision['label'];
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

  /** Puts decisions that are in the log in the place of what is there. @throws StoreUnavailableError by rejection */
  async restoreDecisions(restored: readonly RestoredDecision[]): Promise<void> {
    const { keyPrefix, decisionSeconds } = this.#options;
    const expiry = ['EX', String(decisionSeconds)];
    const values = encodeDecisions(
      restored.map(({ decision }) => decision),
      LOGGED,
    );
    const commands = restored.flatMap(({ decision, label }, index) => {
      const id = decision.transaction.transactionId;
      const puts: Command[] = [['SET', `${keyPrefix}decision:${id}`, values[index], ...expiry]];
      if (label) puts.push(['SET', `${keyPrefix}label:${id}`, encodeLabel(label), ...expiry]);
      return puts;
    });
    await this.#run(commands);
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
