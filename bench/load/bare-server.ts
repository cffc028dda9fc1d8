import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import Fastify from 'fastify';

/**
 * The floor under every HTTP figure: a server that takes the body of `POST /predict`, checks it against the
 * same schema, and answers an object of the same members and size, without deciding anything.
 */
const USAGE = `Usage: node bench/load/bare-server.ts [--kind fastify|node-http] [--port N]

  --kind fastify     Fastify 5, request and response JSON schema (the default)
  --kind node-http   node:http with JSON.parse and JSON.stringify, no routing, no checks
  --port N           default 0: any free port; the address is printed on standard output

It listens on 127.0.0.1 and answers POST /predict until it is ended by a signal.
`;

const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const ID = { type: 'string', minLength: 1, maxLength: 128, pattern: '^[!#-\\[\\]-~]+$' } as const;

const REQUEST_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['transaction_id', 'user_id', 'amount', 'merchant_category', 'is_international', 'timestamp'],
  properties: {
    transaction_id: ID,
    user_id: ID,
    amount: { type: 'number', minimum: 0 },
    merchant_category: ID,
    is_international: { type: 'boolean' },
    timestamp: { type: 'string', format: 'date-time' },
    terminal_id: ID,
    currency: { type: 'string', pattern: '^[A-Z]{3}$' },
    metadata: { type: 'object' },
  },
} as const;

const RESPONSE_SCHEMA = {
  type: 'object',
  properties: {
    transaction_id: { type: 'string' },
    is_fraud: { type: 'boolean' },
    fraud_probability: { type: 'number' },
    model_version: { type: 'string' },
    latency_ms: { type: 'number' },
    outcome: { type: 'string' },
    reason_codes: { type: 'array', items: { type: 'string' } },
    degraded: { type: 'array', items: { type: 'string' } },
    decided_at: { type: 'string' },
  },
} as const;

type PredictBody = { readonly transaction_id: string };

const options = parseArgs({
  options: {
    kind: { type: 'string', default: 'fastify' },
    port: { type: 'string', default: '0' },
    help: { type: 'boolean', default: false },
  },
}).values;

if (options.help) {
  process.stdout.write(USAGE);
} else {
  process.stdout.write(`listening on ${await listen(options.kind, Number(options.port))}\n`);
}

function listen(kind: string, port: number): Promise<string> {
  if (kind === 'fastify') return listenFastify(port);
  if (kind === 'node-http') return listenNodeHttp(port);
  throw new Error(`--kind must be fastify or node-http; it is '${kind}'`);
}

async function listenFastify(port: number): Promise<string> {
  const server = Fastify({
    logger: false,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Refuse what the schema does not name, as the service does, instead of repairing it silently.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
  });
  server.post<{ Body: PredictBody }>(
    '/predict',
    { schema: { body: REQUEST_SCHEMA, response: { 200: RESPONSE_SCHEMA } } },
    async (request) => answerTo(request.body),
  );
  return server.listen({ port, host: '127.0.0.1' });
}

async function listenNodeHttp(port: number): Promise<string> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS }, answerNodeHttp);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return `http://127.0.0.1:${address.port}`;
}

function answerNodeHttp(request: IncomingMessage, response: ServerResponse): void {
  let received = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    received += chunk;
  });
  request.on('end', () => {
    const text = JSON.stringify(answerTo(JSON.parse(received)));
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
}

/** Members and size of a real answer: three reasons, nothing degraded. */
function answerTo(body: PredictBody) {
  return {
    transaction_id: body.transaction_id,
    is_fraud: false,
    fraud_probability: 0.03482156619429588,
    model_version: 'v1',
    latency_ms: 1.234,
    outcome: 'approve',
    reason_codes: ['amount_low', 'user_amount_mean_7d_usual', 'terminal_fraud_rate_30d_low'],
    degraded: [],
    decided_at: new Date().toISOString(),
  };
}
