/** A disk that is really full: what cannot be made durable is refused, and the service goes on by itself afterwards. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mountDisk } from '../src/adapters/small-disk.fixture.ts';
import { HttpClient } from './http-client.ts';
import { later, transactionMessage } from './http-messages.ts';
import { runVerb, type Service, startService, undoAtEnd } from './start-service.ts';

const DISK_BYTES = 80 * 1024 * 1024;
const CALLERS = 8;
/** Requests that are refused before space comes back. */
const REFUSALS = 60;
/** With as many terminals a little below the changed histories at which the views begin to be written down. */
const SWEEP_USERS = 3_500;
const BATCH = 1_000;

type Message = ReturnType<typeof transactionMessage>;

test('a full disk refuses with 503 and loses nothing; space brings the service back', async (t) => {
  const scene = await setScene(t);
  if (!scene) return;
  const { service, disk, dataDirectory } = scene;
  const payments = new Payments(service);
  undoAtEnd(t, () => payments[Symbol.dispose]());
  await payments.send({ requests: 100 });
  disk.fill();

  await t.test('while it is full', async () => {
    await payments.send({ refusals: REFUSALS });
    assert.equal((await payments.client.get('/livez')).status, 200);
    assert.equal((await payments.client.get('/readyz')).status, 200);
    await payments.assertSameAnswers(200);
    // Many, because a few may fit into the block that the log has begun.
    const labels = [...payments.answers.keys()]
      .slice(-200)
      .map((id) => ({ transaction_id: id, is_fraud: true }));
    assertUnavailable(await payments.client.post('/labels', { labels }));
    const report = await payments.client.get(`/decisions/${labels[0].transaction_id}`);
    assert.equal(report.status, 200, report.text);
    assert.equal(report.json.label, null, 'a label that was refused');
    for (const id of payments.refused.keys())
      assert.equal((await payments.client.get(`/decisions/${id}`)).status, 404, 'a refused decision');
  });

  await t.test('when there is room again', async () => {
    disk.free();
    await payments.retry();
    await payments.send({ requests: 100 });
    await payments.assertSameAnswers();
    await payments.assertCountedOnce();
    assert.equal(service.process.exitCode, null);
    assert.deepEqual(await service.stop(), { code: 0, signal: null }, service.log().slice(-3_000));
    await assertVerified(dataDirectory, payments.answers.size);
  });
});

test('views that cannot be written down neither stop answers nor the process', async (t) => {
  const scene = await setScene(t);
  if (!scene) return;
  const { service, disk, dataDirectory } = scene;
  const payments = new Payments(service);
  undoAtEnd(t, () => payments[Symbol.dispose]());
  await payments.sendWide(SWEEP_USERS);
  await payments.sendUntilPrepared(dataDirectory);
  disk.fill();
  const viewBytes = () => statSync(join(dataDirectory, 'views', 'data.mdb')).size;
  const before = viewBytes();
  // The log has the room that it has just prepared; the views, which are being written down, have none.
  await payments.sendWide(3_000, 25);
  assert.ok(payments.refused.size > 0 && payments.refused.size < 3_000, `${payments.refused.size} refused`);
  assert.equal((await payments.client.get('/livez')).status, 200);
  assert.equal(service.process.exitCode, null, service.log());
  assert.equal(viewBytes(), before);
  disk.free();
  await payments.retry();
  await payments.sendWide(SWEEP_USERS);
  await payments.sendWide(SWEEP_USERS);
  assert.ok(viewBytes() > before, 'the views are written down again');
  await payments.assertSameAnswers();
  await payments.assertCountedOnce();
  assert.deepEqual(await service.stop(), { code: 0, signal: null }, service.log().slice(-3_000));

  const again = await startService(t, { dataDirectory });
  using after = payments.at(again);
  await after.assertSameAnswers();
  await after.send({ requests: 50 });
  await after.assertCountedOnce();
  assert.deepEqual(await again.stop(), { code: 0, signal: null });
  await assertVerified(dataDirectory, payments.answers.size);
});

test('a stop after a full disk leaves nothing of what was refused in the views', async (t) => {
  const scene = await setScene(t);
  if (!scene) return;
  const { service, disk, dataDirectory } = scene;
  using payments = new Payments(service);
  await payments.send({ requests: 100 });
  disk.fill();
  await payments.send({ refusals: REFUSALS });
  disk.free();
  assert.deepEqual(await service.stop(), { code: 0, signal: null }, service.log().slice(-3_000));

  const again = await startService(t, { dataDirectory });
  using after = payments.at(again);
  await after.assertSameAnswers();
  await after.retry();
  await after.assertCountedOnce();
  await again.stop();
  await assertVerified(dataDirectory, payments.answers.size);
});

test('a stop on a full disk ends, and a start on one says what is wrong', async (t) => {
  const scene = await setScene(t);
  if (!scene) return;
  const { service, disk, dataDirectory } = scene;
  using payments = new Payments(service);
  await payments.sendWide(2_000);
  disk.fill();
  await payments.send({ refusals: REFUSALS });
  const { signal } = await service.stop();
  assert.equal(signal, null, service.log());

  disk.fill(); // what the stop gave back
  const refused = await runVerb('serve', '--port', '0', '--data-dir', dataDirectory);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /no space left/);
  assert.doesNotMatch(refused.stderr, /\n\s+at /);

  disk.free();
  const again = await startService(t, { dataDirectory });
  using after = payments.at(again);
  await after.assertSameAnswers();
  await after.retry();
  await after.assertCountedOnce();
  await again.stop();
  await assertVerified(dataDirectory, payments.answers.size);
});

async function setScene(t: TestContext) {
  const disk = mountDisk(t, { bytes: DISK_BYTES });
  if (disk === undefined) return undefined;
  undoAtEnd(t, () => disk[Symbol.dispose]());
  const dataDirectory = join(disk.path, 'data');
  const service = await startService(t, { dataDirectory });
  return { service, dataDirectory, disk: new Filler(disk.path) };
}

/** Takes all the room there is, and gives it back. */
class Filler {
  readonly #path: string;
  readonly #disk: string;

  constructor(disk: string) {
    this.#disk = disk;
    this.#path = join(disk, 'filler');
  }

  fill(): void {
    const file = openSync(this.#path, 'w');
    try {
      for (let bytes = 1 << 20; bytes >= 4_096; ) {
        if (!hasWritten(file, Buffer.alloc(bytes))) bytes /= 2;
      }
    } finally {
      closeSync(file);
    }
    assert.equal(statfsSync(this.#disk).bfree, 0);
  }

  free(): void {
    rmSync(this.#path);
  }
}

function hasWritten(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    return false;
  }
}

/** What was sent, what was answered, and what was refused. */
class Payments implements Disposable {
  readonly client: HttpClient;
  readonly answers: Map<string, string>;
  readonly refused: Map<string, Message>;
  readonly #messages: Map<string, Message>;

  constructor({ url }: Service, before?: Payments) {
    this.client = new HttpClient(url, CALLERS);
    this.answers = before?.answers ?? new Map();
    this.refused = before?.refused ?? new Map();
    this.#messages = before ? before.#messages : new Map();
  }

  /** The same payments with another service. */
  at(service: Service): Payments {
    return new Payments(service, this);
  }

  /** Sends one by one over all connections, until so many requests are answered or so many more refused. */
  async send({ requests = Number.POSITIVE_INFINITY, refusals = Number.POSITIVE_INFINITY }): Promise<void> {
    const [until, untilRefused] = [this.answers.size + requests, this.refused.size + refusals];
    const caller = async () => {
      while (this.answers.size < until && this.refused.size < untilRefused)
        await this.#sendOne(this.#newMessage());
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
  }

  /** One transaction each of so many new users at new terminals, in batches. */
  async sendWide(users: number, batch = BATCH): Promise<void> {
    const messages = Array.from({ length: users }, () => {
      const number = this.#messages.size;
      return this.#newMessage({ user_id: `w-${number}`, terminal_id: `w-${number}` });
    });
    await this.#sendInBatches(messages, batch);
  }

  /** Sends until the log has grown, which it does by far more than it needs at once. */
  async sendUntilPrepared(dataDirectory: string): Promise<void> {
    const log = join(dataDirectory, 'log');
    const [segment] = readdirSync(log);
    const bytes = () => statSync(join(log, segment)).size;
    for (const before = bytes(); bytes() === before; ) await this.#sendOne(this.#newMessage());
  }

  async retry(): Promise<void> {
    const messages = [...this.refused.values()];
    this.refused.clear();
    await this.#sendInBatches(messages, BATCH);
    assert.equal(this.refused.size, 0);
  }

  /** What is refused is refused as a whole batch. */
  async #sendInBatches(messages: readonly Message[], batch: number): Promise<void> {
    for (let from = 0; from < messages.length; from += batch) {
      const transactions = messages.slice(from, from + batch);
      const answer = await this.client.post('/predict/batch', { transactions });
      if (answer.status !== 200) assertUnavailable(answer);
      const texts = answer.text.slice('{"decisions":['.length, -2).split(/(?<=\}),(?=\{)/);
      for (const [index, message] of transactions.entries()) {
        if (answer.status === 200) this.answers.set(message.transaction_id, texts[index]);
        else this.refused.set(message.transaction_id, message);
      }
    }
  }

  async #sendOne(message: Message): Promise<void> {
    const answer = await this.client.post('/predict', message);
    if (answer.status === 200) this.answers.set(message.transaction_id, answer.text);
    else {
      assertUnavailable(answer);
      this.refused.set(message.transaction_id, message);
    }
  }

  async assertSameAnswers(newest = 3_000): Promise<void> {
    for (const [id, text] of [...this.answers].slice(-newest))
      assert.equal((await this.client.post('/predict', this.#messages.get(id))).text, text);
  }

  /** A further transaction of some users tells how many they had. */
  async assertCountedOnce(): Promise<void> {
    const counts = new Map<string, number>();
    for (const id of this.answers.keys()) {
      const { user_id } = this.#messages.get(id)!;
      counts.set(user_id, (counts.get(user_id) ?? 0) + 1);
    }
    const users = [...counts].filter((_, index) => index % 97 === 0 || index < 10);
    for (const [user, count] of users) {
      const message = this.#newMessage({ user_id: user });
      await this.#sendOne(message);
      const { features } = (await this.client.get(`/decisions/${message.transaction_id}`)).json;
      assert.equal(features.total_transactions, count, `transactions of ${user}`);
    }
  }

  #newMessage(members: object = {}): Message {
    const number = this.#messages.size;
    const message = transactionMessage(`f-${number}`, {
      user_id: `u-${number % 7}`,
      timestamp: later(number),
      ...members,
    });
    this.#messages.set(message.transaction_id, message);
    return message;
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

function assertUnavailable({ status, headers, text, json }: Awaited<ReturnType<HttpClient['get']>>): void {
  assert.equal(status, 503, text);
  assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8');
  assert.equal(headers['retry-after'], '1');
  assert.equal(json.type, 'urn:fraud-detection:problem:log-unavailable');
}

async function assertVerified(dataDirectory: string, decisions: number): Promise<void> {
  const { stdout, stderr } = await runVerb('verify', '--data-dir', dataDirectory, '--json');
  const verified = JSON.parse(stdout || '{}');
  assert.equal(verified.differing, 0, stdout + stderr);
  assert.equal(verified.decisions, decisions, 'what was answered, and nothing else');
}
