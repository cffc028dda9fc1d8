/** Servers that the environment names are somebody's: they are asked whether they are there, and left alone. */
import { clientOptions } from '../kafka/client-options.ts';
import { readKafkaSettings } from '../kafka/kafka-settings.ts';
import { readRedisSettings } from '../redis/redis-settings.ts';
import { countBrokers } from './kafka-broker.ts';
import { ServerSilentError } from './local-server-errors.ts';
import { askRedis } from './redis-server.ts';

/**
 * The address of the Redis that is named, as a list; undefined where none is.
 * @throws ServerSilentError
 * @throws RedisSettingsError
 */
export async function checkNamedRedis(
  environment: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  const settings = readRedisSettings(environment);
  if (settings === undefined) return undefined;
  const { host, port, security } = settings;
  await askRedis({ host, port, ...security }, ['PING']).catch((cause: Error) => {
    const name = `REDIS_HOST names ${host}:${port}`;
    throw new ServerSilentError(`${name}, which answers no PING: ${cause.message}`, { cause });
  });
  return [`${host}:${port}`];
}

/**
 * The addresses of the brokers that are named; undefined where none are.
 * @throws ServerSilentError
 * @throws KafkaSettingsError
 */
export async function checkNamedKafka(
  environment: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  const settings = readKafkaSettings(environment);
  if (settings === undefined) return undefined;
  await countBrokers(clientOptions(settings, 'services')).catch((cause: Error) => {
    const name = `KAFKA_BOOTSTRAP_SERVERS names ${settings.bootstrapServers.join(',')}`;
    throw new ServerSilentError(`${name}, which tells no metadata: ${cause.message}`, { cause });
  });
  return settings.bootstrapServers;
}
