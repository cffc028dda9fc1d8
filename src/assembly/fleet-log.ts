import type { ControlDocument } from '../core/decision/control-document.ts';
import type { ControlSettings } from '../pipeline/control.ts';
import type { EventLog } from '../pipeline/event-log.ts';
import type { Trouble } from './engine.ts';
import type { Repair } from './repair.ts';

/** The log of a process over shared views, with what else is kept in it. */
export interface FleetLog extends AsyncDisposable {
  readonly eventLog: EventLog;
  /** The document that processes with these settings decide under; made durable if it is new. */
  establishControl(settings: ControlSettings): Promise<ControlDocument>;
  findControl(version: number): Promise<ControlDocument | undefined>;
  /** From now on, what was decided without the shared views is recorded in them as soon as they can be reached. */
  startRepair(repair: Repair): Promise<void>;
  /** On this machine's disk. */
  readonly logBytes: number;
  readonly troubles: readonly Trouble[];
}
