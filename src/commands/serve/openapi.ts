import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { LABEL_MEMBERS, messageSchema, TRANSACTION_MEMBERS } from '../../core/transaction/members.ts';

const PROBLEM = {
  description: 'Problem details (RFC 9457)',
  type: 'object',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    member: { type: 'string', description: 'the member that broke a rule' },
  },
} as const;

const ANSWER_PROPERTIES = {
  transaction_id: { type: 'string' },
  is_fraud: { type: 'boolean', description: 'the probability reaches the model’s threshold' },
  fraud_probability: { type: 'number', minimum: 0, maximum: 1 },
  model_version: { type: 'string' },
  latency_ms: { type: 'number', description: 'from the arrival of the request to the decision' },
  outcome: { type: 'string', enum: ['approve', 'review', 'decline'] },
  reason_codes: {
    type: 'array',
    items: { type: 'string' },
    description: 'what moved the score most; empty for approve',
  },
  degraded: { type: 'array', items: { type: 'string' }, description: 'stages that had to be done without' },
  decided_at: { type: 'string', format: 'date-time' },
} as const;

const ANSWER = {
  description: 'The decision, durable',
  type: 'object',
  properties: ANSWER_PROPERTIES,
} as const;

const REPORT = {
  description: 'All that is known of the decision',
  type: 'object',
  properties: {
    ...ANSWER_PROPERTIES,
    transaction: messageSchema(TRANSACTION_MEMBERS),
    arm: { type: 'string', enum: ['A', 'B'] },
    control_version: { type: 'integer' },
    is_out_of_order: { type: 'boolean' },
    user_position: { type: ['integer', 'null'] },
    terminal_position: { type: ['integer', 'null'] },
    features: { type: 'object', additionalProperties: { type: ['number', 'null'] } },
    reasons: { type: 'array', items: { type: 'object', additionalProperties: true } },
    label: { type: ['object', 'null'], additionalProperties: true },
  },
} as const;

const STATUS = { type: 'object', additionalProperties: true } as const;
const label = messageSchema(LABEL_MEMBERS);
const refusals = { '4xx': PROBLEM, '5xx': PROBLEM } as const;

export const ROUTE_SCHEMAS = {
  predict: {
    summary: 'Decide one transaction',
    description: 'The same transaction_id and body again returns the stored decision byte for byte.',
    body: messageSchema(TRANSACTION_MEMBERS),
    response: { 200: ANSWER, ...refusals },
  },
  predictBatch: {
    summary: 'Decide up to 1,000 transactions',
    description:
      'Each gets its own answer or problem, in order; one that is refused does not stop the others.',
    body: list('transactions', messageSchema(TRANSACTION_MEMBERS)),
    response: { 200: list('decisions', { anyOf: [ANSWER, PROBLEM] }), ...refusals },
  },
  labels: {
    summary: 'Report what became known about a transaction, or about up to 1,000',
    body: { anyOf: [label, list('labels', label)] },
    response: { 200: STATUS, ...refusals },
  },
  decision: {
    summary: 'A stored decision with its features and reasons',
    params: { type: 'object', properties: { transaction_id: TRANSACTION_MEMBERS.transaction_id.schema } },
    response: { 200: REPORT, ...refusals },
  },
  livez: { summary: 'The process is alive; depends on nothing else', response: { 200: STATUS } },
  readyz: { summary: 'Ready for requests', response: { 200: STATUS, 503: PROBLEM } },
  health: { summary: 'State for people', response: { 200: STATUS } },
  metrics: { summary: 'Prometheus metrics', response: { 200: { type: 'string' } } },
} as const satisfies Record<string, FastifySchema>;

/** Serves the OpenAPI document at /openapi.json and its page at /docs. */
export async function describeDoors(server: FastifyInstance): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'fraud-detection', description: 'Is this payment fraud?', version: '1' },
    },
  });
  await server.register(swaggerUi, { routePrefix: '/docs' });
  server.get('/openapi.json', { schema: { hide: true } }, () => server.swagger());
}

function list(member: string, items: object) {
  return {
    type: 'object',
    additionalProperties: false,
    required: [member],
    properties: { [member]: { type: 'array', minItems: 1, maxItems: 1_000, items } },
  };
}
