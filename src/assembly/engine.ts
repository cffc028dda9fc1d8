/**
 * Everything that decides, put together on one machine: the data directory with its log and views, the models, and the
 * control document in force.
 */
import { join } from 'node:path';
import { type DataDirectory, openDataDirectory } from '../adapters/data-directory/data-directory.ts';
import { LmdbView } from '../adapters/lmdb/lmdb-view.ts';
import { loadModel } from '../adapters/model-folder/load-model.ts';
import { openSegmentLog, type SegmentLog } from '../adapters/segment-log/segment-log.ts';
import type { Arm, Stage } from '../core/decision/decision.ts';
import { FEATURE_NAMES } from '../core/features/catalogue.ts';
import {
  type Control,
  type ControlSettings,
  createControl,
  createControlDocument,
  isSameControl,
} from '../pipeline/control.ts';
import { DecisionLane } from '../pipeline/decision-lane.ts';
import type { LogPosition } from '../pipeline/event-log.ts';
import type { Model } from '../pipeline/model.ts';
import { catchUp } from '../pipeline/view.ts';

export type EngineSettings = {
  readonly dataDirectory: string;
  readonly modelsDirectory: string;
  readonly modelVersions: Readonly<Record<Arm, string>>;
  readonly percentA: number;
  readonly salt: string;
  /** The verb that owns the data directory, for whoever finds it in use. */
  readonly command: string;
};

export type EngineObserver = {
  readonly onStage: (stage: Stage, milliseconds: number, transactions: number) => void;
  readonly onCatchUp: (position: LogPosition, end: LogPosition) => void;
  /** The views reach beyond the log, which somebody has shortened or put back; they are made again. */
  readonly onViewsAhead: () => void;
  /** The log's end was torn by a crash and has been cut; nothing acknowledged was in it. */
  readonly onTornTail: (bytes: number) => void;
};

type Parts = {
  readonly lane: DecisionLane;
  readonly eventLog: SegmentLog;
  readonly view: LmdbView;
  readonly directory: DataDirectory;
  readonly resources: AsyncDisposableStack;
};

export class Engine implements AsyncDisposable {
  readonly lane: DecisionLane;
  readonly eventLog: SegmentLog;
  readonly view: LmdbView;
  readonly #directory: DataDirectory;
  readonly #resources: AsyncDisposableStack;

  private constructor({ lane, eventLog, view, directory, resources }: Parts) {
    this.lane = lane;
    this.eventLog = eventLog;
    this.view = view;
    this.#directory = directory;
    this.#resources = resources;
  }

  /** Models are checked first: a service that cannot score must not touch the log. */
  static async open(settings: EngineSettings, observer: EngineObserver): Promise<Engine> {
    const models = await loadArms(settings);
    await using resources = new AsyncDisposableStack();
    const directory = resources.use(
      await openDataDirectory(settings.dataDirectory, { command: settings.command }),
    );
    const eventLog = resources.use(await openSegmentLog(directory.logPath));
    if (eventLog.recovery.tornBytes > 0) observer.onTornTail(eventLog.recovery.tornBytes);
    const view = resources.use(await LmdbView.open(directory.viewsPath, eventLog));
    if (view.position > eventLog.durableEnd) {
      observer.onViewsAhead();
      await view.empty();
    }
    await catchUp(view, eventLog, (position) => observer.onCatchUp(position, eventLog.durableEnd));
    const control = await establishControl({ ...settings, models, ...REASON }, eventLog, view);
    const { featureStore, decisionIndex } = view;
    const context = { featureStore, decisionIndex, eventLog, view, now, onStage: observer.onStage };
    const lane = new DecisionLane(context, control);
    return new Engine({ lane, eventLog, view, directory, resources: resources.move() });
  }

  /** Whoever finds the data directory in use is told this port. */
  announcePort(port: number): Promise<void> {
    return this.#directory.announcePort(port);
  }

  /** Answers what was submitted, then brings log and views to disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.lane.drained();
    await this.#resources.disposeAsync();
  }
}

/** Milliseconds since 1970 with fractions, by a clock that never runs backwards. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

const REASON = { author: 'environment', reason: 'started with these settings' };

async function loadArms({ modelsDirectory, modelVersions }: EngineSettings): Promise<Record<Arm, Model>> {
  const load = (version: string) => loadModel(join(modelsDirectory, version), FEATURE_NAMES);
  return { A: await load(modelVersions.A), B: await load(modelVersions.B) };
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
