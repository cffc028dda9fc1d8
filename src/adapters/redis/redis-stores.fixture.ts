/** Opens stores on the tests' servers. */
import { readFileSync } from 'node:fs';
import type { RedisForTest } from '../local-servers/servers.fixture.ts';
import { deadlinesOf, type RedisSettings } from './redis-settings.ts';
import { RedisStores, type RedisStoresOptions } from './redis-stores.ts';

type Place = Pick<RedisForTest, 'host' | 'port'> & Partial<Pick<RedisForTest, 'security'>>;

/** Where nothing is to be too late: these machines are busy. */
const PATIENT_MS = 20_000;

export function settingsOf(place: Place, changes: Partial<RedisSettings> = {}): RedisSettings {
  const { host, port, security } = place;
  return {
    host,
    port,
    isCluster: false,
    security: {
      username: security?.user,
      password: security?.password,
      tls: security && { ca: readFileSync(security.certificates.caFile, 'utf8') },
    },
    decisionSeconds: 7 * 86_400,
    historySeconds: 90 * 86_400,
    deadlines: deadlinesOf(PATIENT_MS),
    ...changes,
  };
}

export function openStores(
  place: Place,
  options: RedisStoresOptions & { readonly settings?: Partial<RedisSettings> } = {},
): Promise<RedisStores> {
  return RedisStores.open(settingsOf(place, options.settings), { connectWithinMs: PATIENT_MS, ...options });
}
