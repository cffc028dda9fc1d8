import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { runClosedLoop } from './closed-loop.ts';
import { Meter } from './meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { createTransactionMix } from './transaction-mix.ts';

type Respond = (response: ServerResponse, transactionId: string) => void;

function answer(response: ServerResponse, transactionId: string): void {
  const body = JSON.stringify({ transaction_id: transactionId, fraud_probability: 0.5 });
  response.setHeader('content-length', body.length).end(body);
}

/** A real server whose answers a test decides upon, and the plan of a load on it. */
async function loadOn(context: TestContext, respond: Respond) {
  const ids: string[] = [];
  const server = createServer(async (request, response) => {
    const { transaction_id: id } = JSON.parse(await readBody(request));
    ids.push(id);
    respond(response, id);
  });
  await listen(context, server);
  const { port } = server.address() as { readonly port: number };
  const url = new URL(`http://127.0.0.1:${port}/predict`);
  const transactions = createTransactionMix({ seed: 1, run: 'test', url });
  const targets = [{ host: url.hostname, port }];
  const plan = {
    targets,
    connections: 8,
    transactions,
    warmUpMs: 0,
    durationMs: 400,
    meter: new Meter(undefined),
  };
  return { plan, ids };
}

async function listen(context: TestContext, server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}

test('a closed loop counts every answer once, under ids that never repeat', async (context) => {
  const { plan, ids } = await loadOn(context, answer);
  const tally = await runClosedLoop(plan);
  assert.ok(tally.answered > 0);
  assert.deepEqual([tally.sent, tally.answered, tally.failed], [ids.length, ids.length, 0]);
  assert.equal(new Set(ids).size, ids.length);
});

test('warm-up is sent but not counted', async (context) => {
  const { plan, ids } = await loadOn(context, answer);
  const tally = await runOpenLoop({ ...plan, ratePerSecond: 500, warmUpMs: 200 });
  assert.equal(ids.length, 300);
  assert.deepEqual([tally.sent, tally.answered, tally.failed, tally.dropped], [200, 200, 0, 0]);
});

test('an open loop sends what it should whatever the server does, and counts waiting as latency', async (context) => {
  let stalledUntilMs: number | undefined;
  const { plan } = await loadOn(context, (response, id) => {
    stalledUntilMs ??= performance.now() + 300;
    setTimeout(() => answer(response, id), Math.max(0, stalledUntilMs - performance.now()));
  });
  const tally = await runOpenLoop({ ...plan, ratePerSecond: 500 });
  assert.deepEqual([tally.sent, tally.answered, tally.dropped], [200, 200, 0]);
  // Eight connections were stuck; most of the payments of the stall had not even been sent.
  assert.ok(tally.latencyMs.p50 > 50, `p50 ${tally.latencyMs.p50} ms`);
});

test('payments that find no free connection for a second are dropped, not sent late', async (context) => {
  const { plan } = await loadOn(context, (response, id) => {
    setTimeout(() => answer(response, id), 1_500);
  });
  const tally = await runOpenLoop({ ...plan, ratePerSecond: 100, durationMs: 300 });
  assert.deepEqual([tally.sent, tally.answered, tally.dropped], [8, 8, 22]);
});

test('refusals, wrong bodies and lost connections are failures, and the load goes on', async (context) => {
  const { plan } = await loadOn(context, (response, id) => {
    const kind = Number(id.slice(-1)) % 4;
    if (kind === 0) response.writeHead(503, { 'content-length': 0 }).end();
    else if (kind === 1) response.socket?.destroy();
    else answer(response, kind === 2 ? 'another-id' : id);
  });
  const tally = await runOpenLoop({ ...plan, ratePerSecond: 100 });
  const { 'status-503': refused, connection, body } = tally.failures;
  assert.deepEqual({ refused, connection, body }, { refused: 12, connection: 12, body: 8 });
  assert.deepEqual([tally.sent, tally.answered, tally.failed], [40, 8, 32]);
});
