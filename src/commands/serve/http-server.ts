/** The HTTP doors. Each handler parses, asks the lane or the views, and writes the answer; errors go to problem.ts. */
import { isUtf8 } from 'node:buffer';
import { createServer, type IncomingMessage, type RequestListener, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type Engine, now } from '../../assembly/engine.ts';
import type { ServiceMetrics } from '../../assembly/service-metrics.ts';
import { answerJson } from '../../core/decision/answer.ts';
import { decisionReportJson } from '../../core/decision/decision-report.ts';
import { ContractError, typeName } from '../../core/transaction/contract-error.ts';
import { ID_MAX_CHARACTERS, isId, type TransactionId } from '../../core/transaction/ids.ts';
import type { Label } from '../../core/transaction/label.ts';
import { parseLabel, parseTransaction } from '../../core/transaction/parse-transaction.ts';
import { parseStrictJson } from '../../core/transaction/strict-json.ts';
import { formatTimestamp } from '../../core/transaction/timestamp.ts';
import type { Arrival } from '../../pipeline/decide.ts';
import { explainScores } from '../../pipeline/score.ts';
import type { Learned, Verdict } from '../../pipeline/verdict.ts';
import { describeDoors, ROUTE_SCHEMAS } from './openapi.ts';
import { CONFLICT, type Problem, problem, RETRY_AFTER_SECONDS, RequestError, toProblem } from './problem.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** One message; a batch may be as long as its thousand messages usually are. */
const BODY_BYTES = 65_536;
const BATCH_BODY_BYTES = 1_048_576;
const MAX_BATCH = 1_000;
/** The longest id in a path, each character percent-encoded. */
const PATH_ID_CHARACTERS = 3 * ID_MAX_CHARACTERS;
/** A client that takes longer to send its request is cut off. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTION_CHECK_MS = 1_000;
/** Longer than a load balancer's usual minute, so that it is never us who close a connection it is about to use. */
const KEEP_ALIVE_MS = 72_000;

export type Readiness = { isReady: boolean };

export type HttpContext = {
  readonly engine: Engine;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly readiness: Readiness;
};

type TimedMessage = IncomingMessage & { arrivedAtMs: number };

export async function createHttpServer(context: HttpContext): Promise<FastifyInstance> {
  const server = Fastify({
    serverFactory: createTimedServer,
    bodyLimit: BODY_BYTES,
    routerOptions: { maxParamLength: PATH_ID_CHARACTERS },
    return503OnClosing: false,
    exposeHeadRoutes: false,
    clientErrorHandler: refuseUnreadable,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply as FastifyReply, toProblem(error)),
  });
  // Bodies are checked by the contract's own parser; the routes' schemas are for the OpenAPI document.
  server.setValidatorCompiler(() => () => true);
  server.setSerializerCompiler(() => (value) => JSON.stringify(value));
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    // Decoding would replace what is no UTF-8 and let it pass.
    if (isUtf8(body as Buffer)) done(null, body.toString());
    else done(new ContractError('body', 'must be UTF-8', 'other bytes'));
  });
  server.setErrorHandler((error, request, reply) => refuse(error, request, reply, context));
  server.setNotFoundHandler((request, reply) => {
    const detail = `there is no ${request.method} on this path; GET /openapi.json lists what there is`;
    return sendProblem(reply, problem(404, 'no-such-path', 'Not found', detail));
  });
  await describeDoors(server);
  await server.register(async (doors) => addDoors(doors, context));
  return server;
}

function addDoors(doors: FastifyInstance, context: HttpContext): void {
  const { metrics, readiness } = context;
  doors.post('/predict', { schema: ROUTE_SCHEMAS.predict }, (request, reply) =>
    predict(request, reply, context),
  );
  const large = { bodyLimit: BATCH_BODY_BYTES };
  doors.post('/predict/batch', { schema: ROUTE_SCHEMAS.predictBatch, ...large }, (request, reply) =>
    predictBatch(request, reply, context),
  );
  doors.post('/labels', { schema: ROUTE_SCHEMAS.labels, ...large }, (request, reply) =>
    learn(request, reply, context),
  );
  doors.get('/decisions/:transaction_id', { schema: ROUTE_SCHEMAS.decision }, (request, reply) =>
    showDecision(request, reply, context),
  );
  doors.get('/livez', { schema: ROUTE_SCHEMAS.livez }, (_request, reply) =>
    sendJson(reply, '{"status":"alive"}'),
  );
  doors.get('/readyz', { schema: ROUTE_SCHEMAS.readyz }, (_request, reply) => {
    if (readiness.isReady) return sendJson(reply, '{"status":"ready"}');
    return sendProblem(reply, problem(503, 'not-ready', 'Not ready', 'the service is starting or stopping'));
  });
  doors.get('/health', { schema: ROUTE_SCHEMAS.health }, (_request, reply) =>
    sendJson(reply, healthJson(context)),
  );
  doors.get('/metrics', { schema: ROUTE_SCHEMAS.metrics }, async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}

/** Not async: for the promise of an async handler Fastify watches the response's end, at a tenth of the whole cost. */
function predict(request: FastifyRequest, reply: FastifyReply, context: HttpContext): void {
  const arrival = toArrival(bodyOf(request), request);
  context.engine.lane.decide([arrival]).then(
    ([verdict]) => {
      if (verdict.kind === 'conflict') return void refuse(verdict, request, reply, context);
      observe(verdict, arrival, context);
      sendJson(reply, answerJson(verdict.decision));
    },
    (error: unknown) => refuse(error, request, reply, context),
  );
}

/** Each transaction gets its own answer or problem, in the order of the request. */
async function predictBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  context: HttpContext,
): Promise<FastifyReply> {
  const messages = listOf(bodyOf(request), 'transactions');
  const arrivals = messages.map((message) => valueOrProblem(() => toArrival(message, request)));
  const good = arrivals.filter((arrival): arrival is Arrival => !isProblem(arrival));
  const verdicts = good.length === 0 ? [] : await context.engine.lane.decide(good);
  let next = 0;
  const answers = arrivals.map((arrival) => {
    if (isProblem(arrival)) return JSON.stringify(arrival);
    const verdict = verdicts[next++];
    if (verdict.kind === 'conflict') return JSON.stringify(CONFLICT);
    observe(verdict, arrival, context);
    return answerJson(verdict.decision);
  });
  return sendJson(reply, `{"decisions":[${answers.join(',')}]}`);
}

async function learn(
  request: FastifyRequest,
  reply: FastifyReply,
  context: HttpContext,
): Promise<FastifyReply> {
  const body = bodyOf(request);
  const isList = typeof body === 'object' && body !== null && 'labels' in body;
  if (!isList) {
    const label = parseLabel(body);
    const result = await learnAll([label], context);
    return isProblem(result[0]) ? sendProblem(reply, result[0]) : sendJson(reply, JSON.stringify(result[0]));
  }
  const labels = listOf(body, 'labels').map((message) => valueOrProblem(() => parseLabel(message)));
  const learned = await learnAll(
    labels.filter((label): label is Label => !isProblem(label)),
    context,
  );
  const results = labels.map((label) => (isProblem(label) ? label : learned.shift()));
  return sendJson(reply, JSON.stringify({ labels: results }));
}

async function learnAll(labels: readonly Label[], { engine, metrics }: HttpContext) {
  if (labels.length === 0) return [];
  const learned = await engine.lane.learn(labels);
  return learned.map((result, index) => {
    if (result === 'recorded') metrics.learned(labels[index].isFraud);
    return toLabelAnswer(result, labels[index]);
  });
}

function toLabelAnswer(learned: Learned, label: Label) {
  switch (learned) {
    case 'recorded':
    case 'known-already':
      return { transaction_id: label.transactionId, status: learned.replace('-', '_') };
    case 'unknown-transaction':
      return problem(
        404,
        learned,
        'Unknown transaction',
        'no transaction was decided under this transaction_id',
      );
    case 'before-transaction':
      return problem(
        422,
        learned,
        'Label before its transaction',
        'known_at must not be before the transaction’s timestamp',
      );
    default:
      throw new Error(learned satisfies never);
  }
}

async function showDecision(
  request: FastifyRequest,
  reply: FastifyReply,
  { engine }: HttpContext,
): Promise<FastifyReply> {
  const { transaction_id: id } = request.params as { transaction_id: string };
  await engine.lane.askable();
  const [found] = isId(id) ? await engine.decisionIndex.find([id as TransactionId]) : [];
  const control = found && (await engine.findControl(found.decision.controlVersion));
  if (!found || !control) {
    throw new RequestError(
      404,
      'unknown-transaction',
      'no transaction was decided under this transaction_id',
    );
  }
  const { decision, label } = found;
  const arm = Object.values(engine.lane.control.arms).find(
    ({ model }) => model.version === decision.modelVersion,
  );
  const [reasons] = arm ? explainScores([decision.features], arm) : [[]];
  return sendJson(reply, decisionReportJson(decision, control, reasons, label));
}

function healthJson({ engine, readiness }: HttpContext): string {
  const { document } = engine.lane.control;
  return JSON.stringify({
    status: readiness.isReady ? 'ready' : 'not_ready',
    control_version: document.version,
    models: { A: document.arms.A.modelVersion, B: document.arms.B.modelVersion },
    split: `${document.arms.A.percent}:${document.arms.B.percent}`,
    waiting: engine.lane.waitingCount,
    log_bytes: engine.logBytes,
    troubles: engine.troubles.map(({ server, sinceMs }) => ({ server, since: formatTimestamp(sinceMs) })),
  });
}

function bodyOf({ body }: FastifyRequest): unknown {
  if (typeof body === 'string') return parseStrictJson(body);
  throw new RequestError(415, 'no-body', 'there must be a body, of the content type application/json');
}

function toArrival(message: unknown, request: FastifyRequest): Arrival {
  const transaction = parseTransaction(message);
  const arrivedAtMs = (request.raw as TimedMessage).arrivedAtMs;
  if (transaction.timestampMs > arrivedAtMs + MAX_AHEAD_MS) {
    throw new ContractError('timestamp', 'must be at most a day ahead of the service’s clock', 'a later one');
  }
  return { transaction, arrivedAtMs };
}

/** Clocks differ and zones are mistaken, but a payment of next month would make every window of today look old. */
const MAX_AHEAD_MS = 86_400_000;

function observe(
  verdict: Extract<Verdict, { kind: 'decided' }>,
  { arrivedAtMs }: Arrival,
  { metrics }: HttpContext,
): void {
  if (verdict.isRepeat) metrics.repeated();
  else metrics.decided(verdict.decision, now() - arrivedAtMs);
}

function listOf(body: unknown, member: string): readonly unknown[] {
  if (typeof body !== 'object' || body === null)
    throw new ContractError('message', 'must be an object', typeName(body));
  const unknown = Object.keys(body).find((name) => name !== member);
  if (unknown !== undefined)
    throw new ContractError(member, 'must be the only member of this message', 'others');
  const list = (body as Record<string, unknown>)[member];
  if (Array.isArray(list) && list.length > 0 && list.length <= MAX_BATCH) return list;
  const found = Array.isArray(list) ? `${list.length}` : typeName(list);
  throw new ContractError(member, `must be an array of 1 to ${MAX_BATCH} messages`, found);
}

function valueOrProblem<Value>(parse: () => Value): Value | Problem {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ContractError) return toProblem(error);
    throw error;
  }
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' && value !== null && 'type' in value && 'status' in value && 'title' in value
  );
}

function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  context: HttpContext,
): FastifyReply {
  const isConflict = (error as Partial<Verdict>).kind === 'conflict';
  const refusal = isConflict ? CONFLICT : toProblem(error);
  context.metrics.refused(refusal.status);
  if (refusal.status >= 500)
    context.logger.error({ err: error, path: request.routeOptions.url }, 'request failed');
  // Fastify would close the connection on a body that it did not read. A client that is still sending it would then
  // see a broken pipe instead of the problem; Node reads the rest away, for as long as the request may take.
  reply.removeHeader('connection');
  return sendProblem(reply, refusal);
}

function sendJson(reply: FastifyReply, json: string): FastifyReply {
  return reply.header('content-type', JSON_TYPE).send(json);
}

function sendProblem(reply: FastifyReply, refusal: Problem): FastifyReply {
  if (refusal.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
  return reply.code(refusal.status).header('content-type', PROBLEM_TYPE).send(JSON.stringify(refusal));
}

/** What cannot be read as HTTP, or not in time, has no reply to answer with. */
function refuseUnreadable({ code }: { readonly code: string }, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = UNREADABLE[code] ?? NOT_HTTP;
  const body = JSON.stringify(refusal);
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const NOT_HTTP = problem(400, 'not-http', 'Bad request', 'what came over the connection is not HTTP/1.1');
const UNREADABLE: Readonly<Record<string, Problem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: problem(
    408,
    'request-timeout',
    'Request timeout',
    `a request must be there within ${REQUEST_TIMEOUT_MS / 1000} seconds`,
  ),
  HPE_HEADER_OVERFLOW: problem(431, 'headers-too-large', 'Headers too large', 'the headers are too large'),
};

/** A server that notes when a request's head arrived, before anything of the framework runs. */
function createTimedServer(handler: RequestListener) {
  const options = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: CONNECTION_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  return createServer(options, (message, response) => {
    (message as TimedMessage).arrivedAtMs = now();
    handler(message, response);
  });
}
