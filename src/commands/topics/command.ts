import {
  type KafkaSettings,
  KafkaSettingsError,
  readKafkaSettings,
} from '../../adapters/kafka/kafka-settings.ts';
import { adminFailure, TopicAdmin, type TopicState } from '../../adapters/kafka/topic-admin.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';

export const command: Command = {
  name: 'topics',
  summary: 'creates the topics in Kafka, or says how they differ',
  usage: '[--check] [--json]',
  help: `
Makes the topics that are missing on the brokers of KAFKA_BOOTSTRAP_SERVERS, and says of those that are there how they
differ from what the system needs: partitions, how long records are kept, copies, sizes. It never changes a topic: more
partitions would move users between them, and shorter retention would delete. Exit code 1 if a topic is missing or differs.

  transactions              to be decided; kept for 7 days
  labels                    what became known; 7 days
  predictions               every decision: the event log; 90 days
  history-events            recorded labels and placements: the event log; 90 days
  control                   control documents: the event log; for ever, the last of each version
  feature-updates           feature vectors as they were computed; 1 hour
  transactions-dead-letter  what could not be read, with the reason in its headers; 30 days

On three brokers or more every record is on three, and counts when two have it. KAFKA_TOPIC_PREFIX goes before all names;
docs/environment.md has the variables for TLS and login.

  KAFKA_BOOTSTRAP_SERVERS=localhost:9092 fraud topics
  KAFKA_BOOTSTRAP_SERVERS=localhost:9092 fraud topics --check --json`,
  options: {
    check: { description: 'create nothing' },
    json: { description: 'print the list as JSON' },
  },
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const settings = settingsOf(process.env);
  const states = await createOrCheck(settings, arguments_.has('check'));
  if (arguments_.has('json')) process.stdout.write(`${JSON.stringify(states)}\n`);
  else for (const state of states) process.stdout.write(`${sentence(state)}\n`);
  if (states.some(({ state }) => state === 'missing' || state === 'differs')) process.exitCode = 1;
}

function settingsOf(environment: NodeJS.ProcessEnv): KafkaSettings {
  try {
    const settings = readKafkaSettings(environment);
    if (settings) return settings;
  } catch (error) {
    if (!(error instanceof KafkaSettingsError)) throw error;
    throw new UsageError(error.message);
  }
  throw new UsageError('KAFKA_BOOTSTRAP_SERVERS is not set; it names the brokers, as host:port,host:port');
}

async function createOrCheck(settings: KafkaSettings, isCheck: boolean): Promise<readonly TopicState[]> {
  await using admin = new TopicAdmin(settings);
  try {
    return await (isCheck ? admin.check() : admin.create());
  } catch (error) {
    throw new UsageError(`Kafka at ${settings.bootstrapServers.join(',')}: ${adminFailure(error)}`);
  }
}

function sentence({ topic, state, differences }: TopicState): string {
  switch (state) {
    case 'as-wanted':
      return `${topic}: as it should be`;
    case 'created':
      return `${topic}: created`;
    case 'missing':
      return `${topic}: missing`;
    case 'differs':
      return `${topic}: ${differences.join('; ')}`;
    default:
      throw new TypeError(`unknown state ${state satisfies never}`);
  }
}
