import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Engine } from '../../assembly/engine.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import {
  createLogger,
  environmentWith,
  listenFailure,
  SERVICE_OPTIONS,
  startEngine,
  untilSignal,
  variablesHelp,
} from '../../assembly/service-process.ts';
import { readServiceSettings, type ServiceSettings } from '../../assembly/service-settings.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { createHttpServer } from './http-server.ts';

/** A stop that takes longer than this is cut short; what is acknowledged is durable anyway. */
const STOP_MS = 20_000;

export const command: Command = {
  name: 'serve',
  summary: 'answers transactions over HTTP',
  usage: '[--port N] [--data-dir DIR]',
  help: `
Answers POST /predict, /predict/batch and /labels, GET /decisions/ID, /health, /livez, /readyz, /metrics,
/openapi.json and /docs. A decision is durable before it is answered. One data directory takes one service.
Ctrl-C or SIGTERM stops it after everything in flight is answered.

With REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS set, any number of processes share histories and decisions in Redis, and the
topics of Kafka are the log. ./fraud services up starts both on this machine, ./fraud topics makes the topics.

Environment
${variablesHelp()}`,
  options: SERVICE_OPTIONS,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const settings = readServiceSettings(environmentWith(arguments_), ROOT, { command: 'fraud serve' });
  const logger = createLogger();
  const stopping = untilSignal();
  const { engine, metrics } = await startEngine(settings, logger);
  await using _engine = engine;
  const readiness = { isReady: false };
  const server = await createHttpServer({ engine, metrics, logger, readiness });
  const port = await listen(server, settings);
  await engine.announcePort(port);
  readiness.isReady = true;
  announce(settings, port, engine, logger);

  const signal = await stopping;
  readiness.isReady = false;
  logger.info({ signal }, 'stopping: answering what is in flight');
  setTimeout(() => process.exit(1), STOP_MS).unref();
  await server.close();
  logger.info('stopped');
}

/** @returns the port, also where any free one was asked for */
async function listen(server: FastifyInstance, settings: ServiceSettings): Promise<number> {
  const { host, port } = settings;
  await server.listen({ host, port }).catch((error: unknown) => {
    throw listenFailure(error, settings);
  });
  return (server.server.address() as AddressInfo).port;
}

function announce(
  { host, engine: settings }: ServiceSettings,
  port: number,
  engine: Engine,
  logger: Logger,
): void {
  const { arms, version } = engine.lane.control.document;
  const { dataDirectory, redis, kafka } = settings;
  const shown = host.includes(':') ? `[${host}]` : host;
  const url = `http://${shown}:${port}`;
  logger.info({ url, dataDirectory, control: version }, 'listening');
  process.stdout.write(`fraud-detection listens on ${url}  (what it can do: ${url}/docs)
models ${arms.A.modelVersion} for ${arms.A.percent} % of users, ${arms.B.modelVersion} for ${arms.B.percent} %
histories ${redis ? `in Redis at ${redis.host}:${redis.port}` : `in ${dataDirectory}`}, \
log ${kafka ? `in Kafka at ${kafka.bootstrapServers.join(',')}` : `in ${dataDirectory}`}

Try it:
  curl -s ${url}/predict -H 'content-type: application/json' -d '{"transaction_id":"t-1","user_id":"u-1",
    "terminal_id":"m-1","amount":42.50,"merchant_category":"grocery","is_international":false,
    "timestamp":"${new Date().toISOString()}"}'
`);
}
