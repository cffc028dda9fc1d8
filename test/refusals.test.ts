/** Everything the service must refuse, at its doors and at its start: by name, without an echo, and going on. */
import assert from 'node:assert/strict';
import { cp, mkdir, open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mountDisk } from '../src/adapters/small-disk.fixture.ts';
import { HttpClient } from './http-client.ts';
import { transactionMessage } from './http-messages.ts';
import { RawConnection } from './http-socket.ts';
import {
  runVerb,
  runVerbIn,
  type Service,
  startService,
  temporaryDirectory,
  undoAtEnd,
} from './start-service.ts';

const MODELS = fileURLToPath(new URL('../models', import.meta.url));
/** In every refused value that can carry it; no answer and no log line may. */
const SECRET = 'S3CRET';
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';
/** After ten seconds a client is cut off; the check for it comes once a second. */
const SLOW_MS = 14_000;

type Refusal = {
  readonly what: string;
  readonly status: number;
  readonly member?: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
};

const JSON_HEADERS = { 'content-type': 'application/json' };
const good = (members: object = {}) => JSON.stringify(transactionMessage('t-refused', { ...members }));
const tooDeep = `${'['.repeat(40)}"${SECRET}"${']'.repeat(40)}`;

const TRANSACTION_REFUSALS: readonly Refusal[] = [
  ...['transaction_id', 'user_id', 'amount', 'merchant_category', 'is_international', 'timestamp'].map(
    (member) => refused(`no ${member}`, member, good({ [member]: undefined })),
  ),
  ...ofMember('transaction_id', [
    '',
    ' ',
    SECRET.repeat(30),
    `${SECRET}\n`,
    `${SECRET}\u0000`,
    `${SECRET}ü`,
    12,
    null,
    [],
    {},
  ]),
  ...ofMember('user_id', ['', `a ${SECRET}`, SECRET.repeat(30), `${SECRET}\t`, `${SECRET}"`, 12, true, null]),
  ...ofMember('terminal_id', ['', SECRET.repeat(30), `${SECRET}\u007f`, 0, null]),
  ...ofMember('amount', [-0.01, -1e300, 1_000_000_000.01, `${SECRET}`, '42.5', '', null, true, [1], {}]),
  ...ofMember('merchant_category', ['', SECRET.repeat(20), `${SECRET}\\`, `${SECRET}\r\n`, 7, null]),
  ...ofMember('is_international', ['true', SECRET, 0, 1, null]),
  ...ofMember('timestamp', [
    '2026-03-02T10:00:00',
    '2026-03-02',
    '2026-03-02 10:00:00Z',
    '2026-02-30T10:00:00Z',
    '2026-03-02T24:00:00Z',
    '2026-03-02T10:00:00+25:00',
    '1999-12-31T23:59:59.999Z',
    '0001-01-01T00:00:00Z',
    '2100-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    new Date(Date.now() + 2 * 86_400_000).toISOString(),
    SECRET,
    1_772_445_600_000,
    null,
  ]),
  ...ofMember('currency', ['eur', 'EURO', '', 978, null, SECRET]),
  ...ofMember('metadata', [[SECRET], SECRET, 1, null, true, { note: SECRET.repeat(3_000) }]),
  ...['NaN', 'Infinity', '-Infinity', '01', '.5', '0x10', '+1'].map((literal) =>
    refused(`amount ${literal}`, 'body', good().replace('42.5', literal)),
  ),
  refused('an amount that is infinite', 'amount', good().replace('42.5', '1e999')),
  refused('a member of another service', 'user_name', good({ user_name: SECRET })),
  refused('a member of another language', 'a member', good({ [`${SECRET} \n`]: 1 })),
  refused('a prototype', '__proto__', good().replace('{', `{"__proto__":{"amount":1},`)),
  refused('an amount twice', 'amount', good().replace('"amount"', `"amount":1,"amount"`)),
  refused(
    'an amount twice, once in other letters',
    'amount',
    good().replace('"amount"', '"\\u0061mount":1,"amount"'),
  ),
  refused(
    'a member twice in metadata',
    SECRET.toLowerCase(),
    good({ metadata: {} }).replace('{}', '{"s3cret":1,"s3cret":2}'),
  ),
  refused('deep nesting', 'body', good({ metadata: {} }).replace('{}', `{"a":${tooDeep}}`)),
  refused('very deep nesting', 'body', '['.repeat(60_000)),
  refused('no JSON', 'body', SECRET),
  refused('an empty body', 'body', ''),
  refused('spaces', 'body', '   \n'),
  refused('half a body', 'body', good().slice(0, 60)),
  refused('a body and more', 'body', `${good()}x`),
  refused('two bodies', 'body', good() + good()),
  refused('a byte order mark', 'body', `\ufeff${good()}`),
  refused('a string', 'message', `"${SECRET}"`),
  refused('a list', 'message', `[${good()}]`),
  refused('null', 'message', 'null'),
  refused(
    'bytes that are no UTF-8',
    'body',
    Buffer.concat([
      Buffer.from('{"metadata":{"a":"'),
      Buffer.of(0xff, 0xfe),
      Buffer.from('"},'),
      Buffer.from(good().slice(1)),
    ]),
  ),
  refused('a Latin-1 letter', 'body', Buffer.from(good({ metadata: { name: 'Zoë' } }), 'latin1')),
  refused('UTF-16', 'body', Buffer.from(good(), 'utf16le')),
  { what: 'more than 64 KiB', status: 413, body: good() + ' '.repeat(65_536), headers: JSON_HEADERS },
  { what: 'much more than 64 KiB', status: 413, body: good() + ' '.repeat(3_000_000), headers: JSON_HEADERS },
  { what: 'another content type', status: 415, body: good(), headers: { 'content-type': 'text/plain' } },
  {
    what: 'a content type like JSON',
    status: 415,
    body: good(),
    headers: { 'content-type': 'application/jsonp' },
  },
  {
    what: 'a form',
    status: 415,
    body: 'amount=1',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  { what: 'a content type that is none', status: 415, body: good(), headers: { 'content-type': SECRET } },
  { what: 'no content type', status: 415, body: good(), headers: {} },
  { what: 'no content type and no body', status: 415, body: '', headers: {} },
];

const LABEL_REFUSALS: readonly Refusal[] = [
  ['transaction_id', { is_fraud: true }],
  ['is_fraud', { transaction_id: 't' }],
  ['is_fraud', { transaction_id: 't', is_fraud: SECRET }],
  ['is_fraud', { transaction_id: 't', is_fraud: 1 }],
  ['known_at', { transaction_id: 't', is_fraud: true, known_at: '2026-03-02T10:00:00' }],
  ['known_at', { transaction_id: 't', is_fraud: true, known_at: '1970-01-01T00:00:00Z' }],
  ['known_at', { transaction_id: 't', is_fraud: true, known_at: null }],
  ['amount', { transaction_id: 't', is_fraud: true, amount: SECRET }],
  ['labels', { labels: [] }],
  ['labels', { labels: SECRET }],
  ['labels', { labels: Array.from({ length: 1_001 }, () => ({})) }],
  ['labels', { labels: [{ transaction_id: 't', is_fraud: true }], other: SECRET }],
  ['message', [{ transaction_id: 't', is_fraud: true }]],
].map(([member, body]) => refused(`a label with bad ${member}`, String(member), JSON.stringify(body)));

test('what the HTTP doors refuse', async (t) => {
  const { service, client, assertGoesOn } = await start(t);
  const slow = await Promise.all(
    slowClients().map(async ({ what, bytes }) => ({ what, connection: await hang(t, service, bytes) })),
  );
  const slowSince = Date.now();

  for (const [path, refusals] of [
    ['/predict', TRANSACTION_REFUSALS],
    ['/labels', LABEL_REFUSALS],
  ] as const) {
    await t.test(`at ${path}: status, problem and member, never the value`, async () => {
      for (const refusal of refusals) await assertRefused(client, path, refusal);
      await assertGoesOn();
    });
  }

  await t.test('at /predict/batch: each item by its own member', async () => {
    const bodies = TRANSACTION_REFUSALS.filter(
      ({ status, what, member }) => status === 422 && member !== 'body' && !/twice/.test(what),
    );
    const answer = await client.post(
      '/predict/batch',
      `{"transactions":[${bodies.map(({ body }) => body).join(',')}]}`,
    );
    assert.equal(answer.status, 200, answer.text);
    assert.ok(!answer.text.includes(SECRET));
    answer.json.decisions.forEach((found: { member?: string; status?: number }, index: number) => {
      assert.equal(found.status, 422, bodies[index].what);
      assert.equal(found.member, bodies[index].member, bodies[index].what);
    });
    await assertGoesOn();
  });

  await t.test('a body that ends before its length, and one whose client goes away', async () => {
    const half = `${head('/predict', 500)}${good().slice(0, 100)}`;
    for (const leave of ['end', 'destroy'] as const) {
      using connection = await RawConnection.open(service.url);
      connection.send(half);
      await connection.until(/$/, 1_000);
      if (leave === 'end') {
        connection.end();
        assert.match(await connection.until('closed', 5_000), /^$|^HTTP\/1\.1 400 /);
      }
    }
    await assertGoesOn();
  });

  await t.test('what is no HTTP', async () => {
    const garbage: readonly (readonly [string, string | Buffer, RegExp])[] = [
      ['words', `${SECRET} is not HTTP\r\n\r\n`, /^HTTP\/1\.1 400 /],
      ['a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex'), /^HTTP\/1\.1 400 /],
      ['zeros', Buffer.alloc(200), /^HTTP\/1\.1 400 /],
      [
        'two lengths',
        `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      [
        'a length and chunks',
        `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      [
        'a negative length',
        `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      [
        'bad chunks',
        `POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      ['no host', 'GET /livez HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
      [
        'long headers',
        `GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${SECRET.repeat(10_000)}\r\n\r\n`,
        /^HTTP\/1\.1 431 /,
      ],
      [
        'a bad path',
        `GET /decisions/%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        /^HTTP\/1\.1 400 /,
      ],
      [
        'a very long id',
        `GET /decisions/${'a'.repeat(4_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
        /^HTTP\/1\.1 414 /,
      ],
    ];
    for (const [what, bytes, expected] of garbage) {
      using connection = await RawConnection.open(service.url);
      connection.send(bytes);
      const answer = await connection.until('closed', 3_000);
      assert.match(answer, expected, what);
      assert.doesNotMatch(answer, new RegExp(SECRET), what);
      if (what !== 'no host') assert.match(answer, /content-type: application\/problem\+json/i, what);
    }
    await assertGoesOn();
  });

  await t.test('but not pipelined requests, which are answered in order', async () => {
    using connection = await RawConnection.open(service.url);
    const bodies = ['p-1', 'p-2', 'p-3'].map((id) => JSON.stringify(transactionMessage(id)));
    connection.send(bodies.map((body) => head('/predict', body.length) + body).join(''));
    const answer = await connection.until(/"p-3"[\s\S]*\}/, 3_000);
    assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 3, answer);
    assert.match(answer, /"p-1"[\s\S]*"p-2"[\s\S]*"p-3"/);
  });

  await t.test('nor a body in chunks, in pieces, or with Expect', async () => {
    using connection = await RawConnection.open(service.url);
    const body = JSON.stringify(transactionMessage('c-1'));
    connection.send(
      'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: APPLICATION/JSON ; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (const letter of body) connection.send(`1\r\n${letter}\r\n`);
    connection.send('0\r\n\r\n');
    assert.match(await connection.until(/\}/, 3_000), /^HTTP\/1\.1 200 OK[\s\S]*"c-1"/);
    using expecting = await RawConnection.open(service.url);
    expecting.send(head('/predict', body.length).replace('Host', 'Expect: 100-continue\r\nHost'));
    await expecting.until(/100 Continue/, 3_000);
    expecting.send(body);
    assert.match(await expecting.until(/\}/, 3_000), /HTTP\/1\.1 200 OK[\s\S]*"c-1"/);
  });

  await t.test('clients that are too slow are cut off after ten seconds', async () => {
    for (const { what, connection } of slow) {
      const answer = await connection.until('closed', SLOW_MS);
      assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*application\/problem\+json/, what);
    }
    assert.ok(Date.now() - slowSince < SLOW_MS + 2_000);
    await assertGoesOn();
  });

  assert.equal(service.process.exitCode, null);
  assert.doesNotMatch(service.log(), new RegExp(SECRET), 'the log says nothing of values');
  assert.doesNotMatch(service.log(), /"level":50/, 'nothing was unforeseen');
});

test('settings that `serve` refuses, by name and with exit code 2', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const broken: readonly (readonly [name: string, value: string])[] = [
    ...['abc', '70000', '-1', '80.5', '0x50'].map((value) => ['PORT', value] as const),
    ...['90', '90:20', 'a:b', '-10:110', '50:50:0'].map((value) => ['AB_TEST_SPLIT', value] as const),
    ['AB_TEST_SPILT', '50:50'],
    ['MODEL_VERSION_C', 'v1'],
    ['FRAUD_PORT', '1'],
    ['MODELS_DIRECTORY', 'models'],
  ];
  const assertNamed = async ([name, value]: (typeof broken)[number]) => {
    const environment = { DATA_DIR: dataDirectory, PORT: '0', [name]: value };
    const { code, stderr } = await runVerbIn(environment, 'serve');
    assert.equal(code, 2, `${name}=${value}: ${stderr}`);
    assert.match(stderr, new RegExp(`^fraud: .*\\b${name}\\b`), `${name}=${value}`);
    assert.doesNotMatch(stderr, /\n\s+at /, 'a sentence, not a stack');
  };
  for (const setting of broken) await assertNamed(setting);
  assert.deepEqual(await readdir(dataDirectory), [], 'nothing was touched');
  for (const host of ['256.1.1.1', 'no such host', '203.0.113.7']) await assertNamed(['HOST', host]);
});

test('a port in use is refused by its number', async (t) => {
  const { service } = await start(t);
  const { port } = new URL(service.url);
  const environment = { DATA_DIR: await temporaryDirectory(t), PORT: port };
  const { code, stderr } = await runVerbIn(environment, 'serve');
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^fraud: .*${port}.* in use`));
});

test('words that the command line refuses, with exit code 2 and what to type instead', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'transactions.ndjson');
  await writeFile(file, `${good()}\n`);
  const out = ['--out', join(directory, 'out.parquet')];
  const refused: readonly (readonly [words: readonly string[], says: RegExp])[] = [
    [['predict'], /no verb "predict"; there are serve, /],
    [['constructor'], /no verb "constructor"/],
    [['serve', '--prot', '1'], /--prot/],
    [['serve', '--port'], /--port/],
    [['serve', '--port', 'x'], /PORT .*"x"/],
    [['serve', '9000'], /9000/],
    [['verify', directory], /--data-dir/],
    [['rebuild', directory], /--data-dir/],
    [['models', directory], /--models-dir/],
    [['simulate'], /--out is missing/],
    [['simulate', ...out, '--users', 'many'], /--users .*"many"/],
    [['simulate', ...out, '--users', '0'], /--users/],
    [['simulate', ...out, '--days', '1e3'], /--days/],
    [['simulate', ...out, '--start', '2026-01-01'], /--start/],
    [['replay', ...out], /at least one file/],
    [['replay', file], /--out is missing/],
    [['replay', file, ...out, '--label-delay', 'soon'], /--label-delay .*7d/],
    [['replay', file, ...out, '--split', '90:20'], /split.*90:20/i],
    [['replay', file, ...out, '--column', 'user_id'], /MEMBER=COLUMN/],
    [['replay', file, ...out, '--column', 'usr=a'], /usr/],
    [['dataset', file, ...out, '--features', 'amount,amount'], /amount.* twice/],
    [['dataset', file, ...out, '--features', 'amount,salary'], /salary/],
    [['dataset', file, ...out, '--include', 'salary'], /salary/],
    [['explain'], /TRANSACTION_ID/],
    [['explain', 'a', 'b'], /TRANSACTION_ID/],
  ];
  for (const [words, says] of refused) {
    const { code, stdout, stderr } = await runVerb(...words);
    assert.equal(code, 2, `fraud ${words.join(' ')}: ${stderr}`);
    assert.match(stderr, says, words.join(' '));
    assert.doesNotMatch(stderr, /\n\s+at /, 'a sentence, not a stack');
    assert.equal(stdout, '');
  }
});

test('model folders that the start refuses, by folder and file', async (t) => {
  const directory = await temporaryDirectory(t);
  const broken: readonly (readonly [
    what: string,
    file: string,
    breakIt: (folder: string) => Promise<unknown>,
  ])[] = [
    ['no folder', 'v1', () => Promise.resolve()],
    ['no model.json', 'model.json', (folder) => copyModel(folder, ['model.onnx', 'parity.json'])],
    ['no model.onnx', 'model.onnx', (folder) => copyModel(folder, ['model.json', 'parity.json'])],
    ['no parity vectors', 'parity.json', (folder) => copyModel(folder, ['model.json', 'model.onnx'])],
    ['half a model.onnx', 'model.onnx', cutting('model.onnx')],
    ['half a model.json', 'model.json', cutting('model.json')],
    ['half a parity.json', 'parity.json', cutting('parity.json')],
    [
      'an empty model.onnx',
      'model.onnx',
      async (folder) => {
        await copyModel(folder);
        await truncate(join(folder, 'model.onnx'), 0);
      },
    ],
    [
      'another byte in model.onnx',
      'model.onnx',
      async (folder) => {
        await copyModel(folder);
        await flipByte(join(folder, 'model.onnx'), 5_000);
      },
    ],
    [
      'the model.onnx of another',
      'model.onnx',
      async (folder) => {
        await copyModel(folder);
        await cp(join(MODELS, 'v2', 'model.onnx'), join(folder, 'model.onnx'));
      },
    ],
    ['another version in model.json', 'model.json', changing((card) => ({ ...card, version: 'v7' }))],
    [
      'a feature that is none',
      'model.json',
      changing((card) => ({ ...card, features: card.features.with(0, 'salary') })),
    ],
    ['a feature too few', 'v1', changing((card) => ({ ...card, features: card.features.slice(1) }))],
    [
      'features in another order',
      'parity.json',
      changing(
        (card) => ({ ...card, features: card.features }),
        (parity) => ({ ...parity, inputs: parity.inputs.map((row: number[]) => row.toReversed()) }),
      ),
    ],
    [
      'thresholds that contradict',
      'model.json',
      changing((card) => ({ ...card, thresholds: { fraud: 0.5, review: 0.9, decline: 0.1 } })),
    ],
    [
      'a threshold that is text',
      'model.json',
      changing((card) => ({ ...card, thresholds: { ...card.thresholds, fraud: 'high' } })),
    ],
  ];
  for (const [index, [what, file, breakIt]] of broken.entries()) {
    const models = join(directory, `models-${index}`);
    await mkdir(models);
    await cp(join(MODELS, 'v2'), join(models, 'v2'), { recursive: true });
    await breakIt(join(models, 'v1'));
    const dataDirectory = join(directory, `data-${index}`);
    const { code, stderr } = await runVerbIn(
      { MODELS_DIR: models, DATA_DIR: dataDirectory, PORT: '0' },
      'serve',
    );
    assert.equal(code, 1, `${what}: ${stderr}`);
    assert.ok(stderr.includes(join(models, 'v1')), `${what} names the folder: ${stderr}`);
    assert.ok(stderr.includes(file), `${what} names ${file}: ${stderr}`);
    assert.doesNotMatch(stderr, /\n\s+at /, what);
    await assert.rejects(stat(dataDirectory), 'the data directory was not touched');
  }
});

test('data directories that the start refuses', async (t) => {
  const directory = await temporaryDirectory(t);
  const serve = (path: string) => runVerb('serve', '--port', '0', '--data-dir', path);

  await t.test('a file', async () => {
    const path = join(directory, 'file');
    await writeFile(path, '');
    const { code, stderr } = await serve(path);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^fraud: data directory ${path} is not a directory`));
  });

  await t.test('a folder of something else', async () => {
    const path = join(directory, 'else');
    await mkdir(path);
    await writeFile(join(path, 'letter.txt'), '');
    const { code, stderr } = await serve(path);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`${path}.*letter\\.txt`));
  });

  await t.test('one that cannot be written to', async (t) => {
    using disk = mountDisk(t, { bytes: 1_000_000, isReadOnly: true });
    if (disk === undefined) return;
    const { code, stderr } = await serve(join(disk.path, 'data'));
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^fraud: data directory ${disk.path}/data cannot be made there`));
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  await t.test('one in use, naming who uses it', async (t) => {
    const { service, client, dataDirectory } = await start(t);
    const { code, stderr } = await serve(dataDirectory);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`${dataDirectory} is in use by \`fraud serve\` \\(process ${service.process.pid} on `),
    );
    assert.ok(stderr.includes(`port ${new URL(service.url).port}`), `names the port: ${stderr}`);
    const rebuild = await runVerb('rebuild', '--data-dir', dataDirectory);
    assert.equal(rebuild.code, 1);
    assert.match(rebuild.stderr, /in use by `fraud serve`/);
    assert.equal((await client.post('/predict', good())).status, 200);
  });

  await t.test(
    'one whose log is damaged in its middle, and not one whose log is cut in a record',
    async (t) => {
      const { service, client, dataDirectory } = await start(t);
      const texts: string[] = [];
      for (let index = 0; index < 50; index++)
        texts.push((await client.post('/predict', transactionMessage(`cut-${index}`))).text);
      await service.stop('SIGKILL');
      const log = join(dataDirectory, 'log');
      const [segment] = await readdir(log);
      const path = join(log, segment);
      const text = await readFile(path);
      const size = text.findLastIndex((byte) => byte !== 0) + 1;

      await flipByte(path, Math.floor(size / 2));
      const damaged = await serve(dataDirectory);
      assert.equal(damaged.code, 1, damaged.stderr);
      assert.match(damaged.stderr, new RegExp(`^fraud: ${path} is damaged at byte \\d+`));
      assert.equal((await stat(path)).size, text.length, 'nothing was changed');
      await flipByte(path, Math.floor(size / 2));

      await truncate(path, size - 7);
      const again = await start(t, dataDirectory);
      assert.match(
        again.service.log(),
        /"bytes":\d+,"msg":"the log ended in an unfinished write, which was cut off"/,
      );
      for (let index = 0; index < 49; index++) {
        const { text } = await again.client.post('/predict', transactionMessage(`cut-${index}`));
        assert.equal(text, texts[index]);
      }
      assert.equal((await again.client.post('/predict', transactionMessage('cut-49'))).status, 200);
      await again.service.stop();
      const verified = JSON.parse((await runVerb('verify', '--data-dir', dataDirectory, '--json')).stdout);
      assert.deepEqual([verified.decisions, verified.differing], [50, 0]);
    },
  );

  await t.test(
    'but not one whose log was shortened behind the views’ back: they are made again',
    async (t) => {
      const { service, client, dataDirectory } = await start(t);
      for (let index = 0; index < 9; index++)
        await client.post('/predict', transactionMessage(`short-${index}`));
      await service.stop();
      const [segment] = await readdir(join(dataDirectory, 'log'));
      const path = join(dataDirectory, 'log', segment);
      await truncate(path, (await stat(path)).size - 7);
      const again = await start(t, dataDirectory);
      assert.match(again.service.log(), /the views know more than the log/);
      assert.equal((await again.client.get('/decisions/short-8')).status, 404);
      assert.equal((await again.client.post('/predict', transactionMessage('short-9'))).status, 200);
      const { features } = (await again.client.get('/decisions/short-9')).json;
      assert.equal(features.total_transactions, 8, 'the lost one does not count');
    },
  );
});

async function start(t: TestContext, dataDirectory?: string) {
  const directory = dataDirectory ?? (await temporaryDirectory(t));
  const service = await startService(t, { dataDirectory: directory });
  const client = new HttpClient(service.url);
  undoAtEnd(t, () => client[Symbol.dispose]());
  let next = 0;
  const assertGoesOn = async () => {
    const answer = await client.post('/predict', transactionMessage(`good-${next++}`));
    assert.equal(answer.status, 200, answer.text);
  };
  return { service, client, dataDirectory: directory, assertGoesOn };
}

function refused(what: string, member: string, body: string | Buffer): Refusal {
  return { what, status: 422, member, body, headers: JSON_HEADERS };
}

function ofMember(member: string, values: readonly unknown[]): Refusal[] {
  return values.map((value) =>
    refused(`${member} ${JSON.stringify(value).slice(0, 60)}`, member, good({ [member]: value })),
  );
}

async function assertRefused(client: HttpClient, path: string, refusal: Refusal): Promise<void> {
  const { what, status, member, body, headers } = refusal;
  const answer = await client.ask(path, { method: 'POST', body, ...(headers ? { headers } : {}) });
  assert.equal(answer.status, status, `${what}: ${answer.text}`);
  assert.equal(answer.headers['content-type'], PROBLEM_TYPE, what);
  const problem = answer.json;
  assert.deepEqual([problem.status, problem.member], [status, member], `${what}: ${answer.text}`);
  assert.match(problem.type, /^urn:fraud-detection:problem:[a-z-]+$/);
  assert.ok(problem.title.length > 0 && problem.detail.length > 10, answer.text);
  assert.ok(!answer.text.includes(SECRET), `${what} is echoed: ${answer.text}`);
}

function head(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
}

function slowClients() {
  return [
    { what: 'nothing but a method', bytes: 'POST ' },
    { what: 'half of the headers', bytes: 'POST /predict HTTP/1.1\r\nHost: x\r\n' },
    { what: 'half of the body', bytes: head('/predict', 500) + good().slice(0, 100) },
    {
      what: 'half of a chunk',
      bytes:
        'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{',
    },
  ];
}

async function hang(t: TestContext, service: Service, bytes: string): Promise<RawConnection> {
  const connection = await RawConnection.open(service.url);
  undoAtEnd(t, () => connection[Symbol.dispose]());
  connection.send(bytes);
  return connection;
}

async function copyModel(folder: string, files = ['model.json', 'model.onnx', 'parity.json']): Promise<void> {
  await mkdir(folder);
  for (const file of files) await cp(join(MODELS, 'v1', file), join(folder, file));
}

function cutting(file: string): (folder: string) => Promise<void> {
  return async (folder) => {
    await copyModel(folder);
    const path = join(folder, file);
    await truncate(path, Math.floor((await stat(path)).size / 2));
  };
}

type Json = ReturnType<typeof JSON.parse>;

function changing(card: (card: Json) => Json, parity: (parity: Json) => Json = (same) => same) {
  return async (folder: string) => {
    await copyModel(folder);
    for (const [file, change] of [
      ['model.json', card],
      ['parity.json', parity],
    ] as const) {
      const path = join(folder, file);
      await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
    }
  };
}

async function flipByte(path: string, position: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0] ^= 0xff;
  await file.write(byte, 0, 1, position);
}
