/** What processes that run until they are told to stop share: their options, log, metrics and end. */
import { once } from 'node:events';
import pino, { type Logger } from 'pino';
import { type Arguments, type Options, UsageError } from '../command-line/command.ts';
import { formatTimestamp } from '../core/transaction/timestamp.ts';
import type { Engine, EngineObserver } from './engine.ts';
import { openEngine } from './open-engine.ts';
import { ServiceMetrics } from './service-metrics.ts';
import { type ServiceSettings, VARIABLES } from './service-settings.ts';

export const SERVICE_OPTIONS: Options = {
  port: { value: 'N', description: 'port to listen on; 0 for any free one (else PORT)' },
  host: { value: 'ADDRESS', description: 'address to listen on (else HOST)' },
  'data-dir': { value: 'DIR', description: 'folder of the event log or the spool (else DATA_DIR)' },
  'models-dir': { value: 'DIR', description: 'folder of the models (else MODELS_DIR)' },
};

const VARIABLE_OF_OPTION = {
  port: 'PORT',
  host: 'HOST',
  'data-dir': 'DATA_DIR',
  'models-dir': 'MODELS_DIR',
} as const;

/** The environment with the options in it: they are the same settings, and win. */
export function environmentWith(arguments_: Arguments): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  for (const [option, variable] of Object.entries(VARIABLE_OF_OPTION)) {
    const value = arguments_.text(option);
    if (value !== undefined) environment[variable] = value;
  }
  return environment;
}

/** The variables as `--help` lists them. */
export function variablesHelp(): string {
  const width = Math.max(...Object.keys(VARIABLES).map((name) => name.length)) + 2;
  return Object.entries(VARIABLES)
    .map(([name, { default: standard, meaning }]) => {
      return `  ${name.padEnd(width)}${meaning}${standard === '' ? '' : ` (default ${standard})`}`;
    })
    .join('\n');
}

export function createLogger(): Logger {
  return pino({ base: { service: 'fraud-detection' } }, pino.destination({ dest: 2, sync: false }));
}

export type RunningEngine = { readonly engine: Engine; readonly metrics: ServiceMetrics };

/** The engine with its metrics, telling the log what befalls it. */
export async function startEngine(settings: ServiceSettings, logger: Logger): Promise<RunningEngine> {
  let metrics: ServiceMetrics | undefined;
  const observer: EngineObserver = {
    onStage: (stage, milliseconds) => metrics?.stage(stage, milliseconds),
    onCatchUp: (position, end) => logger.info({ position, end }, 'views catch up with the log'),
    onViewsAhead: () => logger.warn('the views know more than the log, and are made again from it'),
    onTornTail: (bytes) => logger.warn({ bytes }, 'the log ended in an unfinished write, which was cut off'),
    onTroubles: (troubles) => {
      const away = troubles.map(({ server, sinceMs }) => ({ server, since: formatTimestamp(sinceMs) }));
      if (away.length > 0) logger.warn({ away }, 'servers are away: decisions are made without them');
      else logger.info('all servers are there');
    },
    onRepaired: (decisions) => {
      metrics?.repaired(decisions);
      logger.info({ decisions }, 'decisions made without their histories are recorded in them now');
    },
  };
  const engine = await openEngine(settings.engine, observer);
  metrics = new ServiceMetrics(engine);
  return { engine, metrics };
}

/** Resolves with the name of the first signal that asks the process to stop. */
export async function untilSignal(): Promise<string> {
  const signals = ['SIGTERM', 'SIGINT'].map(async (signal) => {
    await once(process, signal);
    return signal;
  });
  return Promise.race(signals);
}

/** The operating system does not let us listen there. */
class CannotListenError extends Error {
  readonly code = 'cannot-listen';
}

/** Why a server could not listen, as an error for whoever started it. */
export function listenFailure(cause: unknown, { host, port }: ServiceSettings): Error {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new CannotListenError(`PORT ${port} of ${host} is in use by another program`, { cause });
  if (code === 'EACCES')
    return new CannotListenError(`PORT ${port} may not be listened on by this user`, { cause });
  return new UsageError(`HOST must be an address of this machine, not "${host}" (${code})`);
}
