/** What each HTTP door promises, asked of the real service. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readTable } from '../src/adapters/duckdb/read-table.ts';
import { FEATURE_NAMES } from '../src/core/features/catalogue.ts';
import { HttpClient } from './http-client.ts';
import { DAY_SECONDS, later, transactionMessage } from './http-messages.ts';
import { RawConnection } from './http-socket.ts';
import { runVerb, startService, temporaryDirectory, undoAtEnd } from './start-service.ts';

const ANSWER_MEMBERS = [
  'transaction_id',
  'is_fraud',
  'fraud_probability',
  'model_version',
  'latency_ms',
  'outcome',
  'reason_codes',
  'degraded',
  'decided_at',
];
const LABEL_DELAY_MS = 7 * DAY_SECONDS * 1000;

async function start(t: TestContext, dataDirectory?: string) {
  const directory = dataDirectory ?? (await temporaryDirectory(t));
  const service = await startService(t, { dataDirectory: directory });
  const client = new HttpClient(service.url);
  undoAtEnd(t, () => client[Symbol.dispose]());
  return { service, client, dataDirectory: directory };
}

test('POST /predict', async (t) => {
  const { service, client, dataDirectory } = await start(t);
  const message = transactionMessage('t-1', { currency: 'EUR', metadata: { till: [4, null, 'ü'] } });
  const first = await client.post('/predict', message);

  await t.test('answers with the contract’s members in their order', () => {
    assert.equal(first.status, 200, first.text);
    assert.equal(first.headers['content-type'], 'application/json; charset=utf-8');
    const answer = first.json;
    assert.deepEqual(Object.keys(answer), ANSWER_MEMBERS);
    assert.equal(answer.transaction_id, 't-1');
    assert.equal(typeof answer.is_fraud, 'boolean');
    assert.ok(answer.fraud_probability >= 0 && answer.fraud_probability <= 1);
    assert.match(answer.model_version, /^v[12]$/);
    assert.ok(answer.latency_ms >= 0 && answer.latency_ms < 10_000);
    assert.match(answer.outcome, /^(approve|review|decline)$/);
    assert.ok(Array.isArray(answer.reason_codes));
    assert.deepEqual(answer.degraded, []);
    assert.ok(Math.abs(Date.parse(answer.decided_at) - Date.now()) < 60_000);
  });

  await t.test('answers the same body with the same bytes', async () => {
    assert.equal((await client.post('/predict', message)).text, first.text);
    const respaced = JSON.stringify(message, null, 2)
      .replace('42.5', '4.25e1')
      .replace('"t-1"', '"\\u0074-1"');
    assert.equal(
      (await client.post('/predict', respaced)).text,
      first.text,
      'the same message in other words',
    );
  });

  await t.test('refuses another body under a decided id, whichever member differs', async () => {
    const others = {
      user_id: 'u-2',
      terminal_id: undefined,
      amount: 42.51,
      merchant_category: 'fuel',
      is_international: true,
      timestamp: later(0.001),
      currency: 'USD',
      metadata: { till: [5] },
    };
    for (const [member, value] of Object.entries(others)) {
      const refused = await client.post('/predict', { ...message, [member]: value });
      assert.equal(refused.status, 409, member);
      assert.equal(refused.headers['content-type'], 'application/problem+json; charset=utf-8');
      assert.match(refused.json.type, /transaction-id-conflict$/);
    }
  });

  await t.test('decides an id once, however many ask at the same time', async () => {
    using wide = new HttpClient(service.url, 100);
    for (let round = 0; round < 5; round++) {
      const same = transactionMessage(`same-${round}`, { user_id: 'u-same', timestamp: later(round) });
      const answers = await Promise.all(Array.from({ length: 100 }, () => wide.post('/predict', same)));
      assert.deepEqual(
        [...new Set(answers.map(({ status }) => status))],
        [200],
        answers.find(({ status }) => status !== 200)?.text,
      );
      assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    }
    const next = transactionMessage('same-after', { user_id: 'u-same', timestamp: later(60) });
    await client.post('/predict', next);
    assert.equal(await featureOf(client, 'same-after', 'total_transactions'), 5);
  });

  await t.test('lets one of two bodies under one id win', async () => {
    using wide = new HttpClient(service.url, 50);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        wide.post(
          '/predict',
          transactionMessage('contested', { user_id: 'u-contested', amount: 1 + (index % 2) }),
        ),
      ),
    );
    const statuses = Map.groupBy(answers, ({ status }) => status);
    assert.deepEqual([...statuses.keys()].sort(), [200, 409]);
    assert.equal(new Set(statuses.get(200)?.map(({ text }) => text)).size, 1);
    assert.equal(statuses.get(200)?.length, 25);
  });

  await t.test('counts late transactions in their own time and reports them', async () => {
    const at = (seconds: number) => ({ user_id: 'u-late', timestamp: later(seconds) });
    await client.post('/predict', transactionMessage('late-1', at(3600)));
    await client.post('/predict', transactionMessage('late-2', at(0)));
    await client.post('/predict', transactionMessage('late-3', at(60)));
    const { json: report } = await client.get('/decisions/late-3');
    assert.equal(report.is_out_of_order, true);
    assert.equal(report.features.total_transactions, 1, 'late-2, not late-1 of an hour later');
    assert.equal(report.features.window_transaction_count, 2, 'late-2 and itself');
    assert.equal((await client.get('/decisions/late-1')).json.is_out_of_order, false);
  });

  await t.test('answers with the same bytes after a restart', async (t) => {
    assert.deepEqual(await service.stop(), { code: 0, signal: null });
    const again = await start(t, dataDirectory);
    assert.equal((await again.client.post('/predict', message)).text, first.text);
    assert.equal((await again.client.post('/predict', { ...message, amount: 1 })).status, 409);
  });
});

test('POST /predict/batch', async (t) => {
  const { client } = await start(t);

  await t.test('gives each transaction its own answer or problem, in order', async () => {
    const single = await client.post('/predict', transactionMessage('b-1'));
    const batch = await client.post('/predict/batch', {
      transactions: [
        transactionMessage('b-2', { timestamp: later(1) }),
        transactionMessage('b-3', { amount: -1 }),
        transactionMessage('b-1'),
        'not even an object',
        transactionMessage('b-1', { amount: 7 }),
        transactionMessage('b-4', { timestamp: later(2) }),
        transactionMessage('b-4', { timestamp: later(2) }),
        transactionMessage('b-4', { timestamp: later(3) }),
      ],
    });
    assert.equal(batch.status, 200, batch.text);
    const { decisions, ...rest } = batch.json;
    assert.deepEqual(rest, {});
    assert.deepEqual(
      decisions.map((one: { transaction_id?: string; status?: number }) => one.transaction_id ?? one.status),
      ['b-2', 422, 'b-1', 422, 409, 'b-4', 'b-4', 409],
    );
    assert.equal(decisions[1].member, 'amount');
    assert.deepEqual(Object.keys(decisions[0]), ANSWER_MEMBERS);
    assert.ok(batch.text.includes(single.text), 'the stored decision, byte for byte');
    assert.deepEqual(decisions[5], decisions[6]);
    assert.equal(await featureOf(client, 'b-4', 'total_transactions'), 2, 'b-1 and b-2, each once');
  });

  await t.test('takes 1,000 and refuses 1,001, none, and what is no list', async () => {
    const many = Array.from({ length: 1_001 }, (_, index) =>
      transactionMessage(`many-${index}`, { user_id: 'u-many', timestamp: later(index) }),
    );
    const good = await client.post('/predict/batch', { transactions: many.slice(0, 1_000) });
    assert.equal(good.status, 200);
    assert.deepEqual(
      good.json.decisions.map((one: { transaction_id: string }) => one.transaction_id),
      many.slice(0, 1_000).map(({ transaction_id }) => transaction_id),
    );
    assert.equal(await featureOf(client, 'many-999', 'total_transactions'), 999);
    const refusals = [{ transactions: many }, { transactions: [] }, { transactions: {} }, {}, [], 'x', null];
    for (const body of refusals) {
      const refused = await client.post('/predict/batch', JSON.stringify(body));
      assert.equal(refused.status, 422, JSON.stringify(body)?.slice(0, 40));
      assert.match(refused.json.member, /^(transactions|message)$/);
    }
    const unknown = await client.post('/predict/batch', { transactions: [transactionMessage('x')], x: 1 });
    assert.equal(unknown.status, 422);
    assert.equal((await client.get('/decisions/many-1000')).status, 404);
  });

  await t.test('takes a body of up to a MiB', async () => {
    const spaces = (bytes: number) => {
      const text = JSON.stringify({ transactions: [transactionMessage('wide')] });
      return text + ' '.repeat(bytes - text.length);
    };
    assert.equal((await client.post('/predict/batch', spaces(1_048_576))).status, 200);
    assert.equal((await client.post('/predict/batch', spaces(1_048_577))).status, 413);
    assert.equal((await client.post('/predict', transactionMessage('narrow'))).status, 200);
  });
});

test('POST /labels', async (t) => {
  const { client } = await start(t);
  const label = (id: string, members: object = {}) => ({ transaction_id: id, is_fraud: true, ...members });
  const reported = async (id: string) => (await client.get(`/decisions/${id}`)).json.label;

  await t.test('records one, knows it again, and lets it be corrected', async () => {
    await client.post('/predict', transactionMessage('l-1'));
    assert.equal(await reported('l-1'), null);
    const first = await client.post('/labels', label('l-1', { known_at: later(60) }));
    assert.equal(first.status, 200, first.text);
    assert.equal(first.headers['content-type'], 'application/json; charset=utf-8');
    assert.deepEqual(first.json, { transaction_id: 'l-1', status: 'recorded' });
    assert.deepEqual(await reported('l-1'), { is_fraud: true, known_at: later(60) });
    const again = await client.post('/labels', label('l-1', { known_at: later(90) }));
    assert.deepEqual(again.json, { transaction_id: 'l-1', status: 'known_already' });
    assert.deepEqual(await reported('l-1'), { is_fraud: true, known_at: later(60) });
    const corrected = await client.post('/labels', label('l-1', { is_fraud: false, known_at: later(120) }));
    assert.equal(corrected.json.status, 'recorded');
    assert.deepEqual(await reported('l-1'), { is_fraud: false, known_at: later(120) });
  });

  await t.test('takes the time of arrival for known_at where there is none', async () => {
    await client.post('/predict', transactionMessage('l-2'));
    await client.post('/labels', label('l-2'));
    assert.ok(Math.abs(Date.parse((await reported('l-2')).known_at) - Date.now()) < 10_000);
  });

  await t.test('refuses an unknown transaction, and a label from before its transaction', async () => {
    const unknown = await client.post('/labels', label('never'));
    assert.equal(unknown.status, 404);
    assert.equal(unknown.headers['content-type'], 'application/problem+json; charset=utf-8');
    const early = await client.post('/labels', label('l-1', { known_at: later(-1) }));
    assert.equal(early.status, 422);
    assert.match(early.json.type, /before-transaction$/);
  });

  await t.test('answers each of a list, in order', async () => {
    await client.post('/predict', transactionMessage('l-3'));
    const answer = await client.post('/labels', {
      labels: [
        label('l-3'),
        label('never'),
        label('l-3'),
        label('l-3', { is_fraud: 'no' }),
        label('l-3', { is_fraud: false }),
      ],
    });
    assert.equal(answer.status, 200, answer.text);
    const { labels } = answer.json;
    assert.deepEqual(
      labels.map(({ status }: { status: unknown }) => status),
      ['recorded', 404, 'known_already', 422, 'recorded'],
    );
    assert.equal(labels[3].member, 'is_fraud');
    assert.equal((await reported('l-3')).is_fraud, false);
  });

  await t.test('is taken for a transaction whose decision is only on its way, and counted once', async () => {
    for (let round = 0; round < 20; round++) {
      const id = `l-race-${round}`;
      const deciding = client.post(
        '/predict',
        transactionMessage(id, { terminal_id: 'm-race', timestamp: later(round) }),
      );
      const labelling = Array.from({ length: 5 }, () =>
        client.post('/labels', label(id, { known_at: later(60) })),
      );
      assert.equal((await deciding).status, 200);
      const answers = await Promise.all(labelling);
      for (const answer of answers) assert.ok([200, 404].includes(answer.status), answer.text);
      await client.post('/labels', label(id, { known_at: later(60) }));
    }
    const after = transactionMessage('l-race-after', {
      terminal_id: 'm-race',
      timestamp: later(7 * DAY_SECONDS + 100),
    });
    await client.post('/predict', after);
    assert.equal(await featureOf(client, 'l-race-after', 'terminal_fraud_rate_7d_delayed_7d'), 1);
  });

  await t.test('changes the terminal’s fraud rate a week later, and not before it is known', async () => {
    const rateAt = async (id: string, seconds: number) => {
      const message = transactionMessage(id, {
        user_id: id,
        terminal_id: 'm-rate',
        timestamp: later(seconds),
      });
      await client.post('/predict', message);
      return featureOf(client, id, 'terminal_fraud_rate_7d_delayed_7d');
    };
    const week = 7 * DAY_SECONDS;
    await rateAt('r-1', 0);
    await rateAt('r-2', 10);
    await client.post('/labels', label('r-1', { known_at: later(week + 100) }));
    assert.equal(await rateAt('r-3', week + 60), 0, 'not known yet');
    assert.equal(await rateAt('r-4', week + 100), 0.5);
    await client.post('/labels', label('r-2', { known_at: later(week + 200) }));
    assert.equal(await rateAt('r-5', week + 150), 0.5, 'decided after, but in a time before it was known');
    assert.equal(await rateAt('r-6', week + 200), 1);
  });
});

test('GET /decisions', async (t) => {
  const { client } = await start(t);

  await t.test('shows the answer, the transaction as it came, features and reasons', async () => {
    const message = transactionMessage('d-1', { currency: 'EUR', metadata: { a: { b: [1, 'ü"\\'] } } });
    const answer = await client.post('/predict', message);
    const report = await client.get('/decisions/d-1');
    assert.equal(report.status, 200, report.text);
    assert.ok(report.text.startsWith(answer.text.slice(0, -1)), 'begins with the answer’s bytes');
    const { transaction, features, reasons, label, arm, control_version } = report.json;
    assert.deepEqual(transaction, message);
    assert.deepEqual(Object.keys(features), FEATURE_NAMES);
    assert.ok(Object.values(features).every((value) => value === null || typeof value === 'number'));
    assert.equal(features.amount, 42.5);
    assert.equal(features.time_since_last_transaction, null);
    assert.ok(Array.isArray(reasons));
    assert.equal(label, null);
    assert.match(arm, /^[AB]$/);
    assert.equal(control_version, 1);
  });

  await t.test('takes every id that may be decided', async () => {
    const ids = ['a'.repeat(128), 'a/b?c=d#e%f', '%2e%zz', "!#$%&'()*+,;:=@[]^`{|}~", '%'.repeat(128)];
    for (const id of ids) {
      assert.equal((await client.post('/predict', transactionMessage(id))).status, 200);
      const report = await client.get(`/decisions/${encodeURIComponent(id)}`);
      assert.equal(report.status, 200, `${id}: ${report.text}`);
      assert.equal(report.json.transaction_id, id);
    }
  });

  await t.test('refuses what was never decided and what is no id', async () => {
    for (const path of ['never', '%20', `${'a'.repeat(129)}`, '%C3%BC']) {
      const report = await client.get(`/decisions/${path}`);
      assert.equal(report.status, 404, path);
      assert.equal(report.headers['content-type'], 'application/problem+json; charset=utf-8');
    }
    assert.equal((await client.get('/decisions/%zz')).status, 400);
  });
});

test('features served are the features that dataset computes, bit for bit', async (t) => {
  const directory = await temporaryDirectory(t);
  const [file, features] = [join(directory, 'transactions.ndjson'), join(directory, 'features.parquet')];
  const world = ['--users', '25', '--terminals', '12', '--days', '21', '--seed', '7'];
  assert.equal((await runVerb('simulate', ...world, '--out', file)).code, 0);
  const made = await runVerb('dataset', file, '--label-column', 'is_fraud', '--out', features);
  assert.equal(made.code, 0, made.stderr);
  const { client, service } = await start(t, join(directory, 'data'));

  const rows = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const pending: { transaction_id: string; known_at: string }[] = [];
  let labels = 0;
  for (const { is_fraud, fraud_story: _, ...message } of rows) {
    while (pending.length > 0 && pending[0].known_at <= message.timestamp) {
      labels++;
      assert.equal(
        (await client.post('/labels', { ...pending.shift(), is_fraud: true })).json.status,
        'recorded',
      );
    }
    const answer = await client.post('/predict', message);
    assert.equal(answer.status, 200, answer.text);
    const known_at = new Date(Date.parse(message.timestamp) + LABEL_DELAY_MS).toISOString();
    if (is_fraud) pending.push({ transaction_id: message.transaction_id, known_at });
  }
  assert.ok(labels > 5, 'labels were fed back');

  const expected = await readTable(features, ['transaction_id', ...FEATURE_NAMES]);
  assert.equal(expected.transaction_id.length, rows.length);
  for (let row = 0; row < rows.length; row++) {
    const id = String(expected.transaction_id[row]);
    const served = (await client.get(`/decisions/${id}`)).json.features;
    for (const name of FEATURE_NAMES)
      assert.ok(
        Object.is(served[name], expected[name][row]),
        `${id}: ${name} served ${served[name]}, dataset ${expected[name][row]}`,
      );
  }
  const risky = expected.terminal_fraud_rate_7d_delayed_7d.filter((rate) => Number(rate) > 0);
  assert.ok(risky.length > 10, 'labels show in features');
  t.diagnostic(`${rows.length} transactions, ${labels} labels, ${risky.length} risky`);
  await service.stop();
  const verified = await runVerb('verify', '--data-dir', join(directory, 'data'), '--json');
  assert.equal(JSON.parse(verified.stdout).differing, 0);
});

test('health, metrics and documentation', async (t) => {
  const { client } = await start(t);
  for (let index = 0; index < 20; index++)
    await client.post(
      '/predict',
      transactionMessage(`h-${index}`, { user_id: `u-${index}`, timestamp: later(index) }),
    );
  await client.post('/predict', transactionMessage('h-0', { user_id: 'u-0', timestamp: later(0) }));
  await client.post('/predict', '{}');

  await t.test('GET /livez, /readyz and /health', async () => {
    assert.deepEqual((await client.get('/livez')).json, { status: 'alive' });
    assert.deepEqual((await client.get('/readyz')).json, { status: 'ready' });
    const { json } = await client.get('/health');
    assert.equal(json.status, 'ready');
    assert.deepEqual(json.models, { A: 'v1', B: 'v2' });
    assert.equal(json.split, '90:10');
    assert.equal(json.waiting, 0);
    assert.ok(json.log_bytes > 0);
  });

  await t.test('GET /metrics has the mission’s metrics in Prometheus’ text format', async () => {
    const { headers, text } = await client.get('/metrics');
    assert.match(String(headers['content-type']), /^text\/plain; ?version=/);
    const families = parseMetrics(text);
    const sum = (name: string) =>
      families.samples
        .filter((sample) => sample.name === name)
        .reduce((total, { value }) => total + value, 0);
    assert.equal(families.types.get('predictions_total'), 'counter');
    assert.equal(sum('predictions_total'), 20, 'a repeat is no prediction');
    for (const { name, labels } of families.samples) {
      if (name !== 'predictions_total') continue;
      assert.deepEqual(Object.keys(labels).sort(), ['model_version', 'prediction']);
      assert.match(labels.prediction, /^(fraud|legitimate)$/);
      assert.match(labels.model_version, /^v[12]$/);
    }
    assert.equal(families.types.get('prediction_latency_seconds'), 'histogram');
    assert.equal(sum('prediction_latency_seconds_count'), 20);
    const edges = new Set(
      families.samples
        .filter(({ name }) => name === 'prediction_latency_seconds_bucket')
        .map(({ labels }) => labels.le),
    );
    for (const edge of ['0.005', '0.01', '0.025', '0.05', '0.1', '+Inf']) assert.ok(edges.has(edge), edge);
    assert.equal(families.types.get('feature_retrieval_latency_seconds'), 'histogram');
    assert.ok(sum('feature_retrieval_latency_seconds_count') > 0);
    assert.ok(
      families.samples.some(
        ({ name, labels }) => name === 'feature_retrieval_latency_seconds_bucket' && labels.le === '0.005',
      ),
    );
    assert.equal(families.types.get('model_errors_total'), 'counter');
    assert.equal(sum('fraud_repeats_total'), 1);
    assert.ok(
      families.samples.some(({ name, labels }) => name === 'fraud_refusals_total' && labels.status === '422'),
    );
    assertWholeHistograms(families);
  });

  await t.test('GET /openapi.json lists every door, and /docs shows it', async () => {
    const { json, status } = await client.get('/openapi.json');
    assert.equal(status, 200);
    assert.match(json.openapi, /^3\.1\./);
    const doors = Object.entries<object>(json.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.deepEqual(doors.sort(), [
      'get /decisions/{transaction_id}',
      'get /health',
      'get /livez',
      'get /metrics',
      'get /readyz',
      'post /labels',
      'post /predict',
      'post /predict/batch',
    ]);
    const message = json.paths['/predict'].post.requestBody.content['application/json'].schema;
    assert.equal(message.additionalProperties, false);
    assert.ok(message.required.includes('timestamp'));
    const docs = await client.get('/docs/');
    assert.equal(docs.status, 200);
    assert.match(String(docs.headers['content-type']), /^text\/html/);
    assert.match(docs.text, /swagger/i);
    for (const [, asset] of docs.text.matchAll(/(?:src|href)="(\.?\/[^"]+)"/g)) {
      const { status } = await client.get(new URL(asset, 'http://x/docs/').pathname);
      assert.equal(status, 200, asset);
    }
    const page = await client.get('/docs');
    assert.ok(page.status === 200 || page.headers.location !== undefined);
  });

  await t.test('other methods and paths get a problem', async () => {
    const asked = [
      ['GET', '/predict'],
      ['PUT', '/predict'],
      ['DELETE', '/decisions/h-0'],
      ['POST', '/health'],
      ['OPTIONS', '/predict'],
      ['GET', '/'],
      ['GET', '/predict/'],
      ['GET', '/nowhere?user_id=secret'],
      ['POST', '/decisions/h-0'],
    ];
    for (const [method, path] of asked) {
      const answer = await client.ask(path, { method });
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
      assert.match(answer.json.type, /no-such-path$/);
      assert.doesNotMatch(answer.text, /secret/);
    }
    const head = await client.ask('/health', { method: 'HEAD' });
    assert.equal(head.text, '');
    assert.ok([200, 404].includes(head.status));
  });
});

test('SIGTERM under load answers all that it decides, and ends with 0', async (t) => {
  const { service, dataDirectory } = await start(t);
  using load = new HttpClient(service.url, 16);
  const answered = new Map<string, string>();
  const unanswered: object[] = [];
  let isStopping = false;
  const send = async (caller: number) => {
    for (let index = 0; !isStopping || unanswered.length < 16; index++) {
      const message = transactionMessage(`s-${caller}-${index}`, {
        user_id: `u-${caller}`,
        timestamp: later(index),
      });
      try {
        const { status, text } = await load.post('/predict', message);
        assert.equal(status, 200, text);
        answered.set(message.transaction_id, text);
      } catch (error) {
        if (!isStopping) throw error;
        unanswered.push(message);
        return;
      }
    }
  };
  using halfway = await RawConnection.open(service.url);
  halfway.send('GET /readyz HTTP/1.1\r\nHost: localhost\r\n');
  const callers = Array.from({ length: 16 }, (_, caller) => send(caller));
  await delay(500);
  isStopping = true;
  const ended = service.stop('SIGTERM');
  for (const untilMs = Date.now() + 5_000; !/stopping/.test(service.log()) && Date.now() < untilMs; )
    await delay(5);
  halfway.send('\r\n');
  assert.match(
    await halfway.until(/\r\n\r\n[\s\S]*}/, 5_000),
    /^HTTP\/1\.1 503 [\s\S]*"detail":"the service is starting or stopping"/,
  );
  assert.deepEqual(await ended, { code: 0, signal: null }, service.log());
  await Promise.all(callers);
  assert.ok(answered.size > 100);
  t.diagnostic(`${answered.size} answered, ${unanswered.length} not taken`);

  const again = await start(t, dataDirectory);
  for (const { transaction_id: id } of unanswered as { transaction_id: string }[])
    assert.equal(
      (await again.client.get(`/decisions/${id}`)).status,
      404,
      `${id} was decided but not answered`,
    );
  for (const [id, text] of answered) {
    const report = await again.client.get(`/decisions/${id}`);
    assert.ok(report.text.startsWith(text.slice(0, -1)), id);
  }
});

test('SIGINT ends an idle service with 0, and at once', async (t) => {
  const { service, client } = await start(t);
  await client.get('/livez');
  const since = Date.now();
  assert.deepEqual(await service.stop('SIGINT'), { code: 0, signal: null });
  assert.ok(Date.now() - since < 3_000);
});

async function featureOf(client: HttpClient, id: string, feature: string): Promise<number | null> {
  const report = await client.get(`/decisions/${id}`);
  assert.equal(report.status, 200, report.text);
  return report.json.features[feature];
}

type Sample = { readonly name: string; readonly labels: Record<string, string>; readonly value: number };
type Families = { readonly types: Map<string, string>; readonly samples: Sample[] };

/** Prometheus' text format 0.0.4, line by line; a line that is none of it fails. */
function parseMetrics(text: string): Families {
  const families: Families = { types: new Map(), samples: [] };
  const helped = new Set<string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.split('\n').slice(0, -1)) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      assert.ok(!helped.has(comment[2]), `${comment[2]} is helped twice`);
      helped.add(comment[2]);
    } else if (comment) {
      assert.ok(!families.types.has(comment[2]), `${comment[2]} has two types`);
      assert.match(comment[3], /^(counter|gauge|histogram|summary)$/);
      families.types.set(comment[2], comment[3]);
    } else families.samples.push(parseSample(line));
  }
  for (const { name } of families.samples) {
    const family = families.types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    assert.ok(families.types.has(family) && helped.has(family), `${name} has neither type nor help`);
  }
  return families;
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/.exec(line);
  assert.ok(match, `not a sample: ${line}`);
  const pairs = [...(match[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/g)];
  assert.equal(pairs.map(([text]) => text).join(''), match[2] ?? '', line);
  return {
    name: match[1],
    labels: Object.fromEntries(pairs.map(([, name, value]) => [name, value])),
    value: Number(match[3].replace('Inf', 'Infinity')),
  };
}

/** Buckets are cumulative, end with +Inf, and that one is the count. */
function assertWholeHistograms({ types, samples }: Families): void {
  for (const [family, type] of types) {
    if (type !== 'histogram') continue;
    const key = ({ labels: { le: _, ...rest } }: Sample) => JSON.stringify(rest);
    const series = Map.groupBy(
      samples.filter(({ name }) => name === `${family}_bucket`),
      key,
    );
    for (const [labels, buckets] of series) {
      const edges = buckets.map((bucket) => Number(bucket.labels.le.replace('Inf', 'Infinity')));
      assert.deepEqual(
        edges,
        edges.toSorted((one, other) => one - other),
        family,
      );
      assert.equal(edges.at(-1), Number.POSITIVE_INFINITY);
      const counts = buckets.map(({ value }) => value);
      assert.deepEqual(
        counts,
        counts.toSorted((one, other) => one - other),
        family,
      );
      const count = samples.find((sample) => sample.name === `${family}_count` && key(sample) === labels);
      assert.equal(counts.at(-1), count?.value);
    }
  }
}
