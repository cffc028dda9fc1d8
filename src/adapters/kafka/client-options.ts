import type { BaseOptions } from '@platformatic/kafka';
import type { KafkaSettings } from './kafka-settings.ts';

/** A broker that has not answered by then hangs; its connection is given up, and what was in it tried on another. */
const REQUEST_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** Short, as a new leader is elected in a second or two; long enough that a broker that is away is not hammered. */
const RETRY_DELAY_MS = 100;
/** A change of leaders is learnt from the errors it makes; this is for what makes none, and costs a request. */
const METADATA_AGE_MAX_MS = 60_000;

/** How every client of ours connects, for the constructors of the library. */
export function clientOptions(settings: KafkaSettings, clientId: string): BaseOptions {
  const { bootstrapServers, tls, login } = settings;
  return {
    clientId,
    bootstrapBrokers: [...bootstrapServers],
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    timeout: REQUEST_TIMEOUT_MS,
    retryDelay: RETRY_DELAY_MS,
    metadataMaxAge: METADATA_AGE_MAX_MS,
    ...(tls && { tls: tlsOptions(tls) }),
    ...(login && { sasl: { ...login } }),
  };
}

function tlsOptions({ ca, certificate, key }: NonNullable<KafkaSettings['tls']>) {
  return {
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  };
}
