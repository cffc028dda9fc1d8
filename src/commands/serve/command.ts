import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import pino, { type Logger } from 'pino';
import { Engine, type EngineObserver } from '../../assembly/engine.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { createHttpServer } from './http-server.ts';
import { Metrics } from './metrics.ts';
import { readSettings, type ServeSettings, VARIABLES } from './settings.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** A stop that takes longer than this is cut short; what is acknowledged is on disk anyway. */
const STOP_MS = 20_000;

const OPTIONS = {
  port: { value: 'N', description: 'port to listen on; 0 for any free one (else PORT)' },
  host: { value: 'ADDRESS', description: 'address to listen on (else HOST)' },
  'data-dir': { value: 'DIR', description: 'folder of the event log (else DATA_DIR)' },
  'models-dir': { value: 'DIR', description: 'folder of the models (else MODELS_DIR)' },
};

export const command: Command = {
  name: 'serve',
  summary: 'answers transactions over HTTP',
  usage: '[--port N] [--data-dir DIR]',
  help: `
Answers POST /predict, /predict/batch and /labels, GET /decisions/ID, /health, /livez, /readyz, /metrics,
/openapi.json and /docs. A decision is on disk before it is answered. One data directory takes one service.
Ctrl-C or SIGTERM stops it after everything in flight is answered.

Environment
${Object.entries(VARIABLES)
  .map(([name, { default: standard, meaning }]) => `  ${name.padEnd(16)}${meaning} (default ${standard})`)
  .join('\n')}`,
  options: OPTIONS,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const settings = readSettings(withOptions(process.env, arguments_), ROOT);
  const logger = pino({ base: { service: 'fraud-detection' } }, pino.destination({ dest: 2, sync: false }));
  const stopping = untilSignal();
  let metrics: Metrics | undefined;
  const observer: EngineObserver = {
    onStage: (stage, milliseconds) => metrics?.stage(stage, milliseconds),
    onCatchUp: (position, end) => logger.info({ position, end }, 'views catch up with the log'),
    onViewsAhead: () => logger.warn('the views know more than the log, and are made again from it'),
    onTornTail: (bytes) => logger.warn({ bytes }, 'the log ended in an unfinished write, which was cut off'),
  };
  await using engine = await Engine.open(settings.engine, observer);
  metrics = createMetrics(engine);
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

/** The operating system does not let us listen there. */
class CannotListenError extends Error {
  readonly code = 'cannot-listen';
}

/** @returns the port, also where any free one was asked for */
async function listen(server: FastifyInstance, { host, port }: ServeSettings): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new CannotListenError(`PORT ${port} of ${host} is in use by another program`, { cause });
    if (code === 'EACCES')
      throw new CannotListenError(`PORT ${port} may not be listened on by this user`, { cause });
    throw new UsageError(`HOST must be an address of this machine, not "${host}" (${code})`);
  }
  return (server.server.address() as AddressInfo).port;
}

function createMetrics(engine: Engine): Metrics {
  const metrics = new Metrics(
    () => engine.lane.waitingCount,
    () => engine.eventLog.durableEnd,
  );
  for (const [arm, { model }] of Object.entries(engine.lane.control.arms))
    metrics.activate(model.version, arm);
  return metrics;
}

async function untilSignal(): Promise<string> {
  const signals = ['SIGTERM', 'SIGINT'].map(async (signal) => {
    await once(process, signal);
    return signal;
  });
  return Promise.race(signals);
}

/** Options are the same settings as the variables, and win. */
function withOptions(environment: NodeJS.ProcessEnv, arguments_: Arguments): NodeJS.ProcessEnv {
  const given = (variable: string, option: string) => {
    const value = arguments_.text(option);
    return value === undefined ? {} : { [variable]: value };
  };
  return {
    ...environment,
    ...given('PORT', 'port'),
    ...given('HOST', 'host'),
    ...given('DATA_DIR', 'data-dir'),
    ...given('MODELS_DIR', 'models-dir'),
  };
}

function announce(
  { host, engine: { dataDirectory } }: ServeSettings,
  port: number,
  engine: Engine,
  logger: Logger,
): void {
  const { arms } = engine.lane.control.document;
  const shown = host.includes(':') ? `[${host}]` : host;
  const url = `http://${shown}:${port}`;
  logger.info({ url, dataDirectory, control: engine.lane.control.document.version }, 'listening');
  process.stdout.write(`fraud-detection listens on ${url}  (what it can do: ${url}/docs)
models ${arms.A.modelVersion} for ${arms.A.percent} % of users, ${arms.B.modelVersion} for ${arms.B.percent} %

Try it:
  curl -s ${url}/predict -H 'content-type: application/json' -d '{"transaction_id":"t-1","user_id":"u-1",
    "terminal_id":"m-1","amount":42.50,"merchant_category":"grocery","is_international":false,
    "timestamp":"${new Date().toISOString()}"}'
`);
}
