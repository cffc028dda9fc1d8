/** What decides in one process, whatever it is put together of; open-engine.ts does that. */
import type { KafkaSettings } from '../adapters/kafka/kafka-settings.ts';
import type { RedisSettings } from '../adapters/redis/redis-settings.ts';
import type { ControlDocument } from '../core/decision/control-document.ts';
import type { Arm, Stage } from '../core/decision/decision.ts';
import type { DecisionIndex } from '../pipeline/decision-index.ts';
import type { DecisionLane } from '../pipeline/decision-lane.ts';
import type { LogPosition } from '../pipeline/event-log.ts';
import type { FeatureStore } from '../pipeline/feature-store.ts';

export type EngineSettings = {
  readonly dataDirectory: string;
  readonly modelsDirectory: string;
  readonly modelVersions: Readonly<Record<Arm, string>>;
  readonly percentA: number;
  readonly salt: string;
  /** How long a batch may spend on finding reasons, milliseconds. */
  readonly reasonsBudgetMs: number;
  /** The verb that owns the data directory, for whoever finds it in use. */
  readonly command: string;
  /** Undefined: histories and decision index are embedded. */
  readonly redis: RedisSettings | undefined;
  /** Undefined: the log is embedded, and stays here. */
  readonly kafka: KafkaSettings | undefined;
};

/** A server that the engine does without at the moment. */
export type Trouble = { readonly server: 'redis' | 'kafka'; readonly sinceMs: number };

export interface Engine extends AsyncDisposable {
  readonly lane: DecisionLane;
  readonly featureStore: FeatureStore;
  readonly decisionIndex: DecisionIndex;
  /** The control document that decisions were made under. */
  findControl(version: number): Promise<ControlDocument | undefined>;
  /** Bytes of the log or the spool on this machine's disk. */
  readonly logBytes: number;
  readonly troubles: readonly Trouble[];
  /** Whoever finds the data directory in use is told this port. */
  announcePort(port: number): Promise<void>;
}

export type EngineObserver = {
  readonly onStage: (stage: Stage, milliseconds: number, transactions: number) => void;
  readonly onCatchUp: (position: LogPosition, end: LogPosition) => void;
  /** The views reach beyond the log, which somebody has shortened or put back; they are made again. */
  readonly onViewsAhead: () => void;
  /** The log's end was torn by a crash and has been cut; nothing acknowledged was in it. */
  readonly onTornTail: (bytes: number) => void;
  /** A server is away, or is back. */
  readonly onTroubles: (troubles: readonly Trouble[]) => void;
  /** Decisions made without their histories are recorded in them now. */
  readonly onRepaired: (decisions: number) => void;
};

/** Milliseconds since 1970 with fractions, by a clock that never runs backwards. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Of the control documents that a process makes from its settings. */
export const SETTINGS_AUTHOR = { author: 'environment', reason: 'started with these settings' };
