/** Callers that go on sending transactions while something is broken, and what they were answered. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KafkaSettings } from '../../src/adapters/kafka/kafka-settings.ts';
import { answerJson } from '../../src/core/decision/answer.ts';
import type { Decision } from '../../src/core/decision/decision.ts';
import { type HttpAnswer, HttpClient } from '../http-client.ts';
import { later, transactionMessage } from '../http-messages.ts';
import { type Service, startService, temporaryDirectory } from '../start-service.ts';
import { askAll, decisionsInLog, eventually, type Fleet, type Message, startProcess } from './fleet.ts';

const CALLERS = 4;
const USERS_EACH = 5;
const TERMINALS = 7;
/** Between an answer and the next request: the machine has other things to do, too. */
const PAUSE_MS = 4;
const RETRY_MS = 20;
/** A request that nobody answers for so many tries is a failure of the test. */
const TRIES_MAX = 1_500;
/** Eight days behind everything that a load sends: it sees all of it, delayed features too. */
const LAST_SECONDS = 740_000;
const BATCH = 500;
const PATIENT_STORE = { STORE_DEADLINE_MS: '10000' };
/** Some of the newest answers. */
const REPEATED = 20;

export type LoadOptions = {
  /** Ids begin with it, so that loads on one Redis keep apart. */
  readonly name: string;
  readonly services: readonly Pick<Service, 'url'>[];
  readonly callers?: number;
  readonly pauseMs?: number;
  /** Broken connections are part of the test: the request goes to another service. */
  readonly isRetrying?: boolean;
};

export type LabelMessage = {
  readonly transaction_id: string;
  readonly is_fraud: boolean;
  readonly known_at: string;
};

/** What was answered from one moment to another. */
export type Phase = {
  readonly latenciesMs: number[];
  readonly refusals: HttpAnswer[];
  /** Of the answers, the stages that each did without. */
  readonly degraded: (readonly string[])[];
};

export class Load {
  /** In the order of each user. */
  readonly messages: Message[] = [];
  /** The bytes acknowledged, by id. */
  readonly answers = new Map<string, string>();
  readonly #options: LoadOptions;
  readonly #urls: string[];
  readonly #callers: readonly Promise<void>[];
  #phase: Phase = newPhase();
  #isOver = false;
  #sent = 0;

  /** It ends with `stop`. */
  constructor(options: LoadOptions) {
    this.#options = options;
    this.#urls = options.services.map(({ url }) => url);
    this.#callers = Array.from({ length: options.callers ?? CALLERS }, (_, caller) => this.#call(caller));
    for (const caller of this.#callers) caller.catch(() => {}); // told by `stop`
  }

  /** From now on answers are noted in the phase that is handed back. */
  begin(): Phase {
    this.#phase = newPhase();
    return this.#phase;
  }

  /** Waits until the phase has so many answers. */
  async until(phase: Phase, answers: number): Promise<void> {
    while (phase.latenciesMs.length < answers) {
      await Promise.race([delay(10), Promise.all(this.#callers)]);
      assert.ok(!this.#isOver, 'the load has ended before');
    }
  }

  /** A service that has taken the place of another; requests go there from now on. */
  replace(index: number, { url }: Pick<Service, 'url'>): void {
    this.#urls[index] = url;
  }

  /** @throws what befell a caller */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#callers);
  }

  /** How many of the answers were given without histories, or without the index. */
  get unrecorded(): number {
    const isUnrecorded = (answer: string) => /"degraded":\[[^\]]*"(features|ingest)"/.test(answer);
    return [...this.answers.values()].filter(isUnrecorded).length;
  }

  /** Whoever asks again is given the same bytes; of what was decided without the index, while that is away. */
  async assertRepeatedWithoutIndex({ url }: Pick<Service, 'url'>): Promise<void> {
    const decided = this.messages.filter(({ transaction_id: id }) =>
      this.answers.get(id)?.includes('"ingest"'),
    );
    const newest = decided.slice(-REPEATED);
    assert.ok(newest.length > 0, 'nothing was decided without the index');
    using client = new HttpClient(url, 1);
    const expected = newest.map(({ transaction_id: id }) => this.answers.get(id));
    assert.deepEqual(await askAll(client, newest), expected);
  }

  /**
   * What was acknowledged is what is in effect, or will be: a publish that missed its deadline is acknowledged from the
   * spool and forwarded when the broker takes it, which may be after the last answer.
   * @returns the decisions in the log, those in effect first
   */
  async assertInEffect(log: KafkaSettings): Promise<ReadonlyMap<string, readonly Decision[]>> {
    const decisions = await eventually(async () => {
      const found = await decisionsInLog(log);
      for (const id of this.answers.keys()) assert.ok(found.has(id), `${id} was acknowledged and is lost`);
      return found;
    });
    for (const [id, answer] of this.answers) assert.equal(answerJson(decisions.get(id)![0]), answer);
    return decisions;
  }

  /** Of each user, the decisions in effect stand in the order in which they were asked for. */
  assertInOrder(decisions: ReadonlyMap<string, readonly Decision[]>): void {
    const order = new Map([...decisions.keys()].map((id, index) => [id, index]));
    const newest = new Map<string, number>();
    for (const { transaction_id: id, user_id: user } of this.messages) {
      if (!this.answers.has(id)) continue;
      const place = order.get(id) ?? -1;
      assert.ok(place > (newest.get(user) ?? -1), `${id} stands before an older one of its user`);
      newest.set(user, place);
    }
  }

  async #call(caller: number): Promise<void> {
    const { name, pauseMs = PAUSE_MS } = this.#options;
    for (let round = 0; !this.#isOver; round++) {
      const number = this.#sent++;
      const message = transactionMessage(`${name}-${number}`, {
        user_id: `${name}-u-${caller}-${round % USERS_EACH}`,
        terminal_id: `${name}-m-${number % TERMINALS}`,
        amount: 1 + (number % 200),
        timestamp: later(number),
      });
      this.messages.push(message);
      await this.#ask(message, caller + round);
      await delay(pauseMs);
    }
  }

  async #ask(message: Message, turn: number): Promise<void> {
    const startedMs = performance.now();
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const answer = await this.#post(message, turn + tries);
      if (answer) {
        this.#note(message, answer, performance.now() - startedMs);
        return;
      }
      await delay(RETRY_MS);
    }
    assert.fail(`${message.transaction_id} was never answered`);
  }

  async #post(message: Message, turn: number): Promise<HttpAnswer | undefined> {
    using client = new HttpClient(this.#urls[turn % this.#urls.length], 1);
    try {
      return await client.post('/predict', message);
    } catch (error) {
      if (!this.#options.isRetrying) throw error;
      return undefined;
    }
  }

  #note(message: Message, answer: HttpAnswer, latencyMs: number): void {
    this.#phase.latenciesMs.push(latencyMs);
    if (answer.status === 200) {
      this.answers.set(message.transaction_id, answer.text);
      this.#phase.degraded.push(answer.json.degraded);
    } else {
      this.#phase.refusals.push(answer);
    }
  }
}

function newPhase(): Phase {
  return { latenciesMs: [], refusals: [], degraded: [] };
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

/** One more transaction of every user meets the same histories as in a service that nothing ever happened to. */
export async function assertSameAsUnbroken(
  test: TestContext,
  fleet: Pick<Fleet, 'environment'>,
  messages: readonly Message[],
  labels: readonly LabelMessage[] = [],
): Promise<void> {
  const [one, unbroken] = await Promise.all([
    startProcess(test, fleet, 'serve', { environment: PATIENT_STORE }),
    startService(test, { dataDirectory: await temporaryDirectory(test) }),
  ]);
  using ours = new HttpClient(one.url);
  using theirs = new HttpClient(unbroken.url);
  const inOrder = messages.toSorted((one, other) => one.timestamp.localeCompare(other.timestamp));
  for (let from = 0; from < inOrder.length; from += BATCH)
    await askAll(theirs, inOrder.slice(from, from + BATCH));
  if (labels.length > 0) assert.equal((await theirs.post('/labels', { labels })).status, 200);
  const lasts = [...Map.groupBy(inOrder, ({ user_id }) => user_id)].map(([user_id, [{ terminal_id }]]) =>
    transactionMessage(`last-${user_id}`, { user_id, terminal_id, timestamp: later(LAST_SECONDS) }),
  );
  for (const last of lasts) {
    const [our, their] = [await reportOf(ours, last), await reportOf(theirs, last)];
    assert.deepEqual(our.degraded, []);
    assert.deepEqual(our.features, their.features, `features of ${last.user_id}`);
    assert.equal(our.user_position, their.user_position, `place of ${last.user_id}`);
  }
  await Promise.all([one.stop(), unbroken.stop()]);
}

async function reportOf(client: HttpClient, message: Message) {
  await askAll(client, [message]);
  return (await client.get(`/decisions/${message.transaction_id}`)).json;
}
