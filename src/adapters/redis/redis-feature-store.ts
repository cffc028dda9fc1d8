/**
 * Histories in Redis: `user:<id>` and `terminal:<id>`, each a string of packed bytes as EntityHistory has them, to which
 * records are only ever appended. A batch is one round trip:
 *
 *     APPEND user:7 <records>   APPEND terminal:3 <records>  ...   GETEX user:7   GETEX terminal:3  ...
 *
 * Each command has one key, so a cluster's nodes get the same, each its own. Nobody waits for anybody: a record that
 * another process appends in between, or twice, is sorted out by everybody who reads in the same way (core's
 * without-repeats.ts). A batch whose entities lie on several nodes is rejected whole where one of them is away: its
 * transactions are decided without histories then, also those whose node is there.
 */

import type { HistoryView } from '../../core/features/entity-history.ts';
import { type HistoryViews, REACH_MS } from '../../core/features/feature-vector.ts';
import { encodeLabel, encodeTransaction } from '../../core/features/record.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { FeatureStore } from '../../pipeline/feature-store.ts';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import { AppendBatch, type Place } from './append-batch.ts';
import { HistoryFolder } from './history-folder.ts';
import type { RedisServers } from './redis-servers.ts';

export type RedisFeatureStoreOptions = {
  readonly keyPrefix: string;
  readonly recordMs: number;
  /** A history that nobody adds to for so long is forgotten. */
  readonly historySeconds: number;
};

/** The places of one transaction or label in the histories of its entities. */
type Places = { readonly user: Place; readonly terminal: Place | undefined };

export class RedisFeatureStore implements FeatureStore {
  readonly #servers: RedisServers;
  readonly #options: RedisFeatureStoreOptions;
  readonly #folder: HistoryFolder;

  constructor(servers: RedisServers, options: RedisFeatureStoreOptions) {
    this.#servers = servers;
    this.#options = options;
    this.#folder = new HistoryFolder(servers);
  }

  async record(transactions: readonly Transaction[]): Promise<readonly HistoryViews[]> {
    const batch = new AppendBatch(this.#options.keyPrefix, 2 * transactions.length);
    const places = transactions.map((transaction) => {
      const { userId, terminalId } = transaction;
      const user = batch.add('user', userId, REACH_MS.user);
      encodeTransaction(transaction, terminalId, user.record);
      if (terminalId === undefined) return { user, terminal: undefined };
      const terminal = batch.add('terminal', terminalId, REACH_MS.terminal);
      encodeTransaction(transaction, userId, terminal.record);
      return { user, terminal };
    });
    await this.#appendAndRead(batch);
    return places.map(({ user, terminal }) => ({
      user: viewOf(user),
      terminal: terminal && viewOf(terminal),
    }));
  }

  async recordLabels(labels: readonly KnownLabel[]): Promise<readonly KnownLabel[]> {
    const batch = new AppendBatch(this.#options.keyPrefix, 2 * labels.length);
    const places = labels.map((label) => this.#addLabel(batch, label));
    await this.#appendAndRead(batch);
    return labels.map((label, index) => {
      const place = places[index];
      if (!place) return label;
      const { user, terminal } = place;
      return { ...label, userPosition: positionOf(user), terminalPosition: terminal && positionOf(terminal) };
    });
  }

  /** Undefined for a label that changes nothing, which no history keeps. */
  #addLabel(batch: AppendBatch, label: KnownLabel): Places | undefined {
    if (label.isFraud === label.previousIsFraud) return undefined;
    const user = batch.add('user', label.userId, REACH_MS.user);
    encodeLabel(label, user.record);
    if (label.terminalId === undefined) return { user, terminal: undefined };
    const terminal = batch.add('terminal', label.terminalId, REACH_MS.terminal);
    encodeLabel(label, terminal.record);
    return { user, terminal };
  }

  async #appendAndRead(batch: AppendBatch): Promise<void> {
    const { recordMs, historySeconds } = this.#options;
    const commands = batch.commands(historySeconds);
    if (commands.length === 0) return;
    const replies = await this.#servers.run(commands, { deadlineMs: recordMs, isWrite: true });
    batch.read(replies);
    for (const entity of batch.entities) this.#folder.consider(entity);
  }
}

function viewOf({ entity, record }: Place): HistoryView {
  const view = entity.history.viewOf(record, 0);
  if (view) return view;
  throw new StoreUnavailableError(
    'what was just recorded is gone: evicted, or folded behind a crowd of others',
  );
}

function positionOf({ entity, record }: Place): number | undefined {
  return entity.history.positionOfLabel(record, 0);
}
