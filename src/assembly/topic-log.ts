import { join } from 'node:path';
import type { DataDirectory } from '../adapters/data-directory/data-directory.ts';
import { KafkaEventLog } from '../adapters/kafka/kafka-event-log.ts';
import type { KafkaSettings } from '../adapters/kafka/kafka-settings.ts';
import { readControls } from '../adapters/kafka/read-log.ts';
import { UnrecordedConsumer } from '../adapters/kafka/unrecorded-consumer.ts';
import { openSpooledEventLog, type SpooledEventLog } from '../adapters/spooled-log/spooled-event-log.ts';
import type { ControlDocument } from '../core/decision/control-document.ts';
import { type ControlSettings, createControlDocument, isSameControl } from '../pipeline/control.ts';
import { LogUnavailableError } from '../pipeline/event-log.ts';
import type { Trouble } from './engine.ts';
import type { FleetLog } from './fleet-log.ts';
import type { Repair } from './repair.ts';

/** Processes that start with different settings at the same time each try for the next version. */
const CONTROL_ATTEMPTS = 10;

type Parts = {
  readonly topics: KafkaEventLog;
  readonly spooled: SpooledEventLog;
  readonly kafka: KafkaSettings;
};

/** The log in Kafka's topics, shared by all processes, with a spool on this machine's disk for when they are away. */
export class TopicLog implements FleetLog {
  readonly #topics: KafkaEventLog;
  readonly #spooled: SpooledEventLog;
  readonly #kafka: KafkaSettings;
  readonly #controls = new Map<number, ControlDocument>();
  #unrecorded: UnrecordedConsumer | undefined;
  #repairing: Promise<void> = Promise.resolve();

  private constructor({ topics, spooled, kafka }: Parts) {
    this.#topics = topics;
    this.#spooled = spooled;
    this.#kafka = kafka;
  }

  /** @throws LogUnavailableError where Kafka cannot be reached: a process has to learn the control document once. */
  static async open(
    { spoolPath }: DataDirectory,
    kafka: KafkaSettings,
    onChange: () => void,
  ): Promise<TopicLog> {
    const topics = new KafkaEventLog(kafka);
    if (!(await topics.warmUp())) {
      await topics[Symbol.asyncDispose]();
      const servers = kafka.bootstrapServers.join(',');
      throw new LogUnavailableError(
        `Kafka at ${servers} cannot be reached, or lacks topics (fraud topics makes them); it is needed once at the start`,
      );
    }
    const spooled = await openSpooledEventLog({
      primary: topics,
      directory: join(spoolPath),
      deadlineMs: kafka.publishDeadlineMs,
      spoolBytesMax: kafka.spoolBytesMax,
      onChange,
    });
    return new TopicLog({ topics, spooled, kafka });
  }

  get eventLog(): SpooledEventLog {
    return this.#spooled;
  }

  get logBytes(): number {
    return this.#spooled.state.spooledBytes;
  }

  get troubles(): readonly Trouble[] {
    const { sinceMs } = this.#spooled.state;
    return sinceMs === undefined ? [] : [{ server: 'kafka', sinceMs }];
  }

  /** The first document of a version that is in the log counts, for everybody. */
  async establishControl(settings: ControlSettings): Promise<ControlDocument> {
    for (let attempt = 0; attempt < CONTROL_ATTEMPTS; attempt++) {
      await this.#learnControls();
      const latest = this.#controls.get(Math.max(...this.#controls.keys()));
      const wanted = createControlDocument(settings, (latest?.version ?? 0) + 1);
      if (latest && isSameControl(latest, wanted)) return latest;
      await this.#topics.append([{ kind: 'control', control: wanted }]).durable;
    }
    throw new LogUnavailableError(
      'processes with different settings (models, split, salt) keep replacing each other’s control document',
    );
  }

  async findControl(version: number): Promise<ControlDocument | undefined> {
    if (!this.#controls.has(version)) await this.#learnControls();
    return this.#controls.get(version);
  }

  async startRepair(repair: Repair): Promise<void> {
    const unrecorded = await UnrecordedConsumer.open(this.#kafka);
    this.#unrecorded = unrecorded;
    this.#repairing = (async () => {
      for await (const decisions of unrecorded.batches()) if (!(await repair.record(decisions))) return;
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unrecorded?.[Symbol.asyncDispose]();
    await this.#repairing;
    await this.#spooled[Symbol.asyncDispose]();
  }

  async #learnControls(): Promise<void> {
    for (const control of await readControls(this.#kafka)) {
      this.#controls.set(control.version, control);
      this.#topics.learnControl(control);
    }
  }
}
