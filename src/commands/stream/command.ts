import { DeadLetters } from '../../adapters/kafka/dead-letters.ts';
import { FeatureUpdates } from '../../adapters/kafka/feature-updates.ts';
import { TransactionConsumer } from '../../adapters/kafka/transaction-consumer.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import {
  createLogger,
  environmentWith,
  SERVICE_OPTIONS,
  startEngine,
  untilSignal,
  variablesHelp,
} from '../../assembly/service-process.ts';
import { readServiceSettings } from '../../assembly/service-settings.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { openProbes } from './probes.ts';
import { processFeatures } from './process-features.ts';
import { Pump } from './pump.ts';
import { scoreRecords } from './score-records.ts';

/** Beside `serve` on one machine, both with their defaults. */
const DEFAULT_PORT = '8001';
const DEFAULT_DATA_DIRECTORY = 'data-stream';
/** Batches are large and nobody waits at a till: better late than decided without its histories. */
const DEADLINE_MS = 2_000;
/** A stop that takes longer than this is cut short; what was not committed is done again by somebody else. */
const STOP_MS = 20_000;

export const command: Command = {
  name: 'stream',
  summary: 'decides transactions that come by Kafka',
  usage: '[--port N] [--data-dir DIR]',
  help: `
A member of the consumer group KAFKA_CONSUMER_GROUP on the topics transactions and labels. Each transaction goes through the
pipeline that serve has; its decision goes to predictions, its feature vector to feature-updates, and only then is its offset
committed. What cannot be read goes to transactions-dead-letter with the reason, and the stream goes on. Start as many
processes as there are partitions; each needs a data directory of its own, for its spool. STORE_DEADLINE_MS and
KAFKA_PUBLISH_DEADLINE_MS are ${DEADLINE_MS} here where nothing else is said.

With SCORE_STREAM=false it decides nothing and only keeps the histories in Redis and feature-updates fresh.
GET /livez, /readyz and /metrics answer on PORT (default ${DEFAULT_PORT}); kafka_consumergroup_lag says how far it is behind.

Environment
${variablesHelp()}`,
  options: SERVICE_OPTIONS,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const settings = readServiceSettings(environmentWith(arguments_), ROOT, {
    command: 'fraud stream',
    port: DEFAULT_PORT,
    dataDirectory: DEFAULT_DATA_DIRECTORY,
    deadlineMs: DEADLINE_MS,
  });
  const { kafka, redis } = settings.engine;
  if (!kafka)
    throw new UsageError('KAFKA_BOOTSTRAP_SERVERS is not set; it names the brokers, as host:port,host:port');
  if (!settings.isScoringStream && !redis)
    throw new UsageError(
      'SCORE_STREAM=false needs REDIS_HOST: embedded histories follow the log of decisions',
    );
  const logger = createLogger();
  const stopping = untilSignal();
  await using resources = new AsyncDisposableStack();
  const { engine, metrics } = await startEngine(settings, logger);
  resources.use(engine);
  const deadLetters = resources.use(new DeadLetters(kafka));
  const updates = resources.use(new FeatureUpdates(kafka));
  const consumer = resources.use(
    await TransactionConsumer.open(kafka, {
      topics: settings.isScoringStream ? ['transactions', 'labels'] : ['transactions'],
      onAssignment: (partitions) => logger.info({ partitions: partitions.length }, 'partitions assigned'),
      onTrouble: (error) => logger.warn({ err: error }, 'trouble with Kafka; trying on'),
    }),
  );
  metrics.addLag(() => consumer.lags());
  const probes = resources.use(await openProbes(settings, metrics));
  await engine.announcePort(probes.port);
  const context = { engine, deadLetters, updates, metrics, logger };
  const pump = new Pump(
    consumer,
    settings.isScoringStream ? scoreRecords(context) : processFeatures(context),
  );
  logger.info({ port: probes.port, group: kafka.consumerGroup }, 'streaming');

  const signal = await Promise.race([stopping, pump.ended]);
  probes.isReady = false;
  logger.info({ signal }, 'stopping: finishing what is in work');
  setTimeout(() => process.exit(1), STOP_MS).unref();
  await pump.stop();
  logger.info('stopped');
}
