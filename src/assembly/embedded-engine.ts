import { type DataDirectory, openDataDirectory } from '../adapters/data-directory/data-directory.ts';
import { LmdbView } from '../adapters/lmdb/lmdb-view.ts';
import { openSegmentLog, type SegmentLog } from '../adapters/segment-log/segment-log.ts';
import type { ControlDocument } from '../core/decision/control-document.ts';
import type { Arm } from '../core/decision/decision.ts';
import {
  type Control,
  type ControlSettings,
  createControl,
  createControlDocument,
  isSameControl,
} from '../pipeline/control.ts';
import { DecisionLane } from '../pipeline/decision-lane.ts';
import type { Model } from '../pipeline/model.ts';
import { catchUp } from '../pipeline/view.ts';
import { type Engine, type EngineObserver, type EngineSettings, now, SETTINGS_AUTHOR } from './engine.ts';

type Parts = {
  readonly lane: DecisionLane;
  readonly eventLog: SegmentLog;
  readonly view: LmdbView;
  readonly directory: DataDirectory;
  readonly resources: AsyncDisposableStack;
};

/** Log and views in one data directory, which is this process's alone. */
export class EmbeddedEngine implements Engine {
  readonly lane: DecisionLane;
  readonly troubles = [];
  readonly #eventLog: SegmentLog;
  readonly #view: LmdbView;
  readonly #directory: DataDirectory;
  readonly #resources: AsyncDisposableStack;

  private constructor({ lane, eventLog, view, directory, resources }: Parts) {
    this.lane = lane;
    this.#eventLog = eventLog;
    this.#view = view;
    this.#directory = directory;
    this.#resources = resources;
  }

  static async open(
    settings: EngineSettings,
    models: Readonly<Record<Arm, Model>>,
    observer: EngineObserver,
  ): Promise<EmbeddedEngine> {
    await using resources = new AsyncDisposableStack();
    const directory = resources.use(
      await openDataDirectory(settings.dataDirectory, { command: settings.command }),
    );
    const eventLog = resources.use(await openSegmentLog(directory.logPath));
    if (eventLog.recovery.tornBytes > 0) observer.onTornTail(eventLog.recovery.tornBytes);
    if (settings.kafka) {
      // Loaded only here: a service that has no Kafka should not wait for its client.
      const { openForwarding } = await import('./forwarding.ts');
      resources.use(await openForwarding(eventLog, directory.path, settings.kafka));
    }
    const view = resources.use(await LmdbView.open(directory.viewsPath, eventLog));
    if (view.position > eventLog.durableEnd) {
      observer.onViewsAhead();
      await view.empty();
    }
    await catchUp(view, eventLog, (position) => observer.onCatchUp(position, eventLog.durableEnd));
    const control = await establishControl({ ...settings, models, ...SETTINGS_AUTHOR }, eventLog, view);
    const { featureStore, decisionIndex } = view;
    const { reasonsBudgetMs } = settings;
    const context = {
      ...{ featureStore, decisionIndex, eventLog, view, now, reasonsBudgetMs },
      onStage: observer.onStage,
    };
    const lane = new DecisionLane(context, control);
    return new EmbeddedEngine({ lane, eventLog, view, directory, resources: resources.move() });
  }

  get featureStore() {
    return this.#view.featureStore;
  }

  get decisionIndex() {
    return this.#view.decisionIndex;
  }

  get logBytes(): number {
    return this.#eventLog.durableEnd;
  }

  async findControl(version: number): Promise<ControlDocument | undefined> {
    return this.#view.controlHistory.find(version);
  }

  announcePort(port: number): Promise<void> {
    return this.#directory.announcePort(port);
  }

  /** Answers what was submitted, then brings log and views to disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lane.drained();
    await this.#resources.disposeAsync();
  }
}

/** The control in force: the log's latest if it says what the settings say, else a new one, made durable. */
async function establishControl(
  settings: ControlSettings,
  eventLog: SegmentLog,
  view: LmdbView,
): Promise<Control> {
  const latest = view.controlHistory.latest;
  const wanted = createControlDocument(settings, (latest?.version ?? 0) + 1);
  if (latest && isSameControl(latest, wanted)) return createControl(latest, settings.models);
  const { durable } = eventLog.append([{ kind: 'control', control: wanted }]);
  await durable;
  view.controlHistory.add(wanted);
  view.follow(eventLog.end, durable);
  return createControl(wanted, settings.models);
}
