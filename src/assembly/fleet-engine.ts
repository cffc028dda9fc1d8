/**
 * One of several processes over shared views in Redis. The log is Kafka's topics with a local spool, or, where there is no
 * Kafka, a log of this process's own.
 *
 *   lane ──record, find, claim──► Redis
 *     └──append──► log ──what was decided without Redis──► repair ──record, claim──► Redis
 */
import { type DataDirectory, openDataDirectory } from '../adapters/data-directory/data-directory.ts';
import type { RedisSettings } from '../adapters/redis/redis-settings.ts';
import { RedisStores } from '../adapters/redis/redis-stores.ts';
import type { ControlDocument } from '../core/decision/control-document.ts';
import type { Arm } from '../core/decision/decision.ts';
import { createControl } from '../pipeline/control.ts';
import { DecisionLane } from '../pipeline/decision-lane.ts';
import type { Model } from '../pipeline/model.ts';
import {
  type Engine,
  type EngineObserver,
  type EngineSettings,
  now,
  SETTINGS_AUTHOR,
  type Trouble,
} from './engine.ts';
import type { FleetLog } from './fleet-log.ts';
import { OwnLog } from './own-log.ts';
import { Repair } from './repair.ts';
import { TopicLog } from './topic-log.ts';

type FleetSettings = EngineSettings & { readonly redis: RedisSettings };

type Parts = {
  readonly lane: DecisionLane;
  readonly log: FleetLog;
  readonly stores: RedisStores;
  readonly directory: DataDirectory;
  readonly resources: AsyncDisposableStack;
};

export class FleetEngine implements Engine {
  readonly lane: DecisionLane;
  readonly #log: FleetLog;
  readonly #stores: RedisStores;
  readonly #directory: DataDirectory;
  readonly #resources: AsyncDisposableStack;

  private constructor({ lane, log, stores, directory, resources }: Parts) {
    this.lane = lane;
    this.#log = log;
    this.#stores = stores;
    this.#directory = directory;
    this.#resources = resources;
  }

  static async open(
    settings: FleetSettings,
    models: Readonly<Record<Arm, Model>>,
    observer: EngineObserver,
  ): Promise<FleetEngine> {
    await using resources = new AsyncDisposableStack();
    const directory = resources.use(
      await openDataDirectory(settings.dataDirectory, { command: settings.command }),
    );
    let engine: FleetEngine | undefined;
    const tell = () => engine && observer.onTroubles(engine.troubles);
    const log: FleetLog = resources.use(
      settings.kafka
        ? await TopicLog.open(directory, settings.kafka, tell)
        : await OwnLog.open(directory, observer),
    );
    const stores = resources.use(await RedisStores.open(settings.redis, { onHealthChange: tell }));
    const document = await log.establishControl({ ...settings, models, ...SETTINGS_AUTHOR });
    const { featureStore, decisionIndex } = stores;
    const { eventLog } = log;
    const repair = resources.use(
      new Repair({ featureStore, decisionIndex, eventLog, onRepaired: observer.onRepaired }),
    );
    await log.startRepair(repair);
    const context = {
      featureStore,
      decisionIndex,
      eventLog,
      view: undefined,
      now,
      reasonsBudgetMs: settings.reasonsBudgetMs,
      onStage: observer.onStage,
    };
    const lane = new DecisionLane(context, createControl(document, models));
    engine = new FleetEngine({ lane, log, stores, directory, resources: resources.move() });
    if (engine.troubles.length > 0) tell();
    return engine;
  }

  get featureStore() {
    return this.#stores.featureStore;
  }

  get decisionIndex() {
    return this.#stores.decisionIndex;
  }

  get logBytes(): number {
    return this.#log.logBytes;
  }

  get troubles(): readonly Trouble[] {
    return troublesOf(this.#stores, this.#log);
  }

  findControl(version: number): Promise<ControlDocument | undefined> {
    return this.#log.findControl(version);
  }

  announcePort(port: number): Promise<void> {
    return this.#directory.announcePort(port);
  }

  /** Answers what was submitted, then closes log and views. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lane.drained();
    await this.#resources.disposeAsync();
  }
}

function troublesOf({ health }: RedisStores, log: FleetLog): readonly Trouble[] {
  const redis = health.sinceMs === undefined ? [] : [{ server: 'redis' as const, sinceMs: health.sinceMs }];
  return [...redis, ...log.troubles];
}
