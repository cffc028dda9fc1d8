/**
 * A service that is killed at any moment, a hundred times and more, on one data directory: what it acknowledged is there
 * afterwards byte for byte, and nothing counts twice. CRASH_SEED repeats a run's traffic and moments.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HttpClient } from './http-client.ts';
import { later, transactionMessage } from './http-messages.ts';
import { runVerb, type Service, spawnService, startService, temporaryDirectory } from './start-service.ts';

const KILLS = 110;
/** After so many kills comes a stop in good order, so that lives begin on views of every age. */
const STOP_EVERY = 12;
const CALLERS = 8;
/** How long a service may live under load. */
const LIFE_MS = 160;
/** Of the lives, those that end before it is sure that the service listens. */
const UNBORN_SHARE = 0.1;
const UNBORN_MS = 600;
const HOT_USERS = 20;
/** So many that views are written down in sweeps while the service is killed. */
const ALL_USERS = 30_000;
const BATCH = 250;
/** Requests that were sent again only to see whether the answer is the same, a round. */
const RECHECKED = 300;

type Message = ReturnType<typeof transactionMessage>;
type Label = { readonly transaction_id: string; readonly is_fraud: boolean };

test(`after each of ${KILLS} kills everything acknowledged is there, and nothing twice`, async (t) => {
  const seed = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`CRASH_SEED=${seed}`);
  const dataDirectory = await temporaryDirectory(t);
  const traffic = new Traffic(seed);
  let unborn = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    if (traffic.random() < UNBORN_SHARE) {
      unborn++;
      await killWhileStarting(t, dataDirectory, traffic.random() * UNBORN_MS);
      continue;
    }
    const service = await startService(t, { dataDirectory });
    await traffic.recheck(service);
    const isStopped = kill % STOP_EVERY === 0;
    const moment = traffic.random() * LIFE_MS;
    await traffic.sendUntil(service, async () => {
      await delay(moment);
      if (isStopped) assert.equal((await service.stop()).code, 0, service.log());
      await service.stop('SIGKILL');
    });
  }

  const service = await startService(t, { dataDirectory });
  await traffic.retryAll(service);
  const counted = await traffic.assertEverythingThere(service);
  assert.equal((await service.stop()).code, 0);
  const { decisions, differing, first } = JSON.parse(
    (await runVerb('verify', '--data-dir', dataDirectory, '--json')).stdout,
  );
  assert.equal(differing, 0, JSON.stringify(first));
  assert.equal(decisions, counted, 'the log has nothing but what was acknowledged');
  t.diagnostic(
    `${KILLS} kills (${unborn} while starting), ${decisions} decisions, ${traffic.labels.size} labels, ${traffic.retries} retries`,
  );
  assert.ok(decisions > KILLS * 20);
});

/** What is sent, what was acknowledged, and what has to be there. */
class Traffic {
  readonly labels = new Map<string, boolean>();
  retries = 0;
  #state: number;
  #next = 0;
  /** The bytes acknowledged for each transaction. */
  readonly #answers = new Map<string, string>();
  readonly #messages = new Map<string, Message>();
  readonly #messagesByUser = new Map<string, number>();
  /** Sent, and never answered; sent again in the next life. */
  #open: Message[][] = [];
  #openLabels: Label[] = [];

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Mulberry32: a small generator whose stream a seed repeats. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Callers send one request after the other until the service has ended. */
  async sendUntil(service: Service, end: () => Promise<unknown>): Promise<void> {
    using client = new HttpClient(service.url, CALLERS);
    let isOver = false;
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!isOver) isOver = !(await this.#sendSomething(client));
    });
    await end();
    isOver = true;
    await Promise.all(callers);
  }

  /** @returns false if the service is gone */
  async #sendSomething(client: HttpClient): Promise<boolean> {
    const open = this.#open.pop();
    if (open) {
      this.retries++;
      return this.#send(client, open);
    }
    const kind = this.random();
    const openLabel = this.#openLabels.pop();
    if (openLabel || (kind < 0.2 && this.#answers.size > 0))
      return this.#report(client, openLabel ?? this.#newLabel());
    const count = kind < 0.3 ? 1 + Math.floor(this.random() * BATCH) : 1;
    return this.#send(
      client,
      Array.from({ length: count }, () => this.#newMessage()),
    );
  }

  async #send(client: HttpClient, messages: Message[]): Promise<boolean> {
    try {
      const answers = await ask(client, messages);
      for (const [index, message] of messages.entries()) this.#acknowledge(message, answers[index]);
      return true;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      this.#open.push(messages);
      return false;
    }
  }

  #acknowledge(message: Message, answer: string): void {
    const id = message.transaction_id;
    assert.ok(answer.startsWith(`{"transaction_id":"${id}",`), answer);
    const known = this.#answers.get(id);
    if (known !== undefined) {
      assert.equal(answer, known);
      return;
    }
    this.#answers.set(id, answer);
    this.#messagesByUser.set(message.user_id, (this.#messagesByUser.get(message.user_id) ?? 0) + 1);
  }

  async #report(client: HttpClient, label: Label): Promise<boolean> {
    try {
      const { status, text } = await client.post('/labels', label);
      assert.equal(status, 200, text);
      this.labels.set(label.transaction_id, label.is_fraud);
      return true;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      this.#openLabels.push(label);
      return false;
    }
  }

  /** Now and then late by hours, and of a few busy users or of very many rare ones. */
  #newMessage(): Message {
    const number = this.#next++;
    const lateSeconds = this.random() < 0.1 ? this.random() * 20_000 : 0;
    const users = this.random() < 0.3 ? HOT_USERS : ALL_USERS;
    const message = transactionMessage(`c-${number}`, {
      user_id: `u-${Math.floor(this.random() * users)}`,
      terminal_id: `m-${Math.floor(this.random() * ALL_USERS)}`,
      amount: Math.floor(this.random() * 50_000) / 100,
      timestamp: later(30_000 + number * 3 - lateSeconds),
    });
    this.#messages.set(message.transaction_id, message);
    return message;
  }

  #newLabel(): Label {
    const ids = this.#answeredIds();
    const transaction_id = ids[Math.floor(this.random() * ids.length)];
    return { transaction_id, is_fraud: !this.labels.get(transaction_id) };
  }

  #answeredIds(): string[] {
    // The newest are those that a crash may take.
    return [...this.#answers.keys()].slice(-2_000);
  }

  /** Sends the newest acknowledged requests again, and asks for the newest labels. */
  async recheck(service: Service): Promise<void> {
    using client = new HttpClient(service.url);
    const messages = this.#answeredIds()
      .slice(-RECHECKED)
      .map((id) => this.#messages.get(id)!);
    await this.#assertSame(client, messages);
    for (const id of [...this.labels.keys()].slice(-20)) await this.#assertLabel(client, id);
  }

  /** What was never answered was perhaps decided all the same; now it is. */
  async retryAll(service: Service): Promise<void> {
    using client = new HttpClient(service.url);
    for (const messages of this.#open.splice(0)) assert.ok(await this.#send(client, messages));
    for (const label of this.#openLabels.splice(0)) assert.ok(await this.#report(client, label));
  }

  /** @returns how many decisions there must be */
  async assertEverythingThere(service: Service): Promise<number> {
    using client = new HttpClient(service.url);
    await this.#assertSame(
      client,
      [...this.#messages.values()].filter(({ transaction_id: id }) => this.#answers.has(id)),
    );
    for (const id of this.labels.keys()) await this.#assertLabel(client, id);
    const users = [...this.#messagesByUser].slice(0, 1_000);
    const last = users.map(([user_id]) =>
      transactionMessage(`last-${user_id}`, { user_id, timestamp: later(10_000_000) }),
    );
    await ask(client, last);
    for (const [user, count] of users) {
      const { features } = (await client.get(`/decisions/last-${user}`)).json;
      assert.equal(features.total_transactions, count, `transactions of ${user}`);
    }
    return this.#answers.size + users.length;
  }

  async #assertSame(client: HttpClient, messages: readonly Message[]): Promise<void> {
    for (let from = 0; from < messages.length; from += 1_000) {
      const slice = messages.slice(from, from + 1_000);
      const answers = await ask(client, slice);
      slice.forEach(({ transaction_id: id }, index) => {
        assert.equal(answers[index], this.#answers.get(id));
      });
    }
  }

  /** A label that was sent and not answered may be there too. */
  async #assertLabel(client: HttpClient, id: string): Promise<void> {
    const open = this.#openLabels.findLast(({ transaction_id }) => transaction_id === id);
    const { label } = (await client.get(`/decisions/${id}`)).json;
    assert.ok(label, `the label of ${id} is lost`);
    if (!open) assert.equal(label.is_fraud, this.labels.get(id), `label of ${id}`);
  }
}

async function killWhileStarting(t: TestContext, dataDirectory: string, afterMs: number): Promise<void> {
  const service = spawnService(t, { dataDirectory });
  service.listening.catch(() => {});
  await delay(afterMs);
  await service.stop('SIGKILL');
}

/** The bytes of each answer, by /predict for one and /predict/batch for many. */
async function ask(client: HttpClient, messages: readonly Message[]): Promise<string[]> {
  if (messages.length === 0) return [];
  const isOne = messages.length === 1;
  const { status, text } = await client.post(
    isOne ? '/predict' : '/predict/batch',
    isOne ? messages[0] : { transactions: messages },
  );
  assert.equal(status, 200, text);
  if (isOne) return [text];
  const answers = text.slice('{"decisions":['.length, -2).split(/(?<=\}),(?=\{)/);
  assert.equal(answers.length, messages.length);
  return answers;
}
