import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServiceMetrics } from '../../assembly/service-metrics.ts';
import { listenFailure } from '../../assembly/service-process.ts';
import type { ServiceSettings } from '../../assembly/service-settings.ts';

export type Probes = AsyncDisposable & { readonly port: number; isReady: boolean };

/** GET /livez, /readyz and /metrics of a process that has no other doors. */
export async function openProbes(settings: ServiceSettings, metrics: ServiceMetrics): Promise<Probes> {
  const server = createServer((request, response) => {
    answer(request.url ?? '/', response).catch(() => response.destroy());
  });
  const answer = async (url: string, response: ServerResponse): Promise<void> => {
    if (url === '/livez') return send(response, 200, '{"status":"alive"}');
    if (url === '/readyz')
      return send(
        response,
        probes.isReady ? 200 : 503,
        `{"status":"${probes.isReady ? 'ready' : 'stopping'}"}`,
      );
    if (url !== '/metrics')
      return send(response, 404, '{"title":"Not found","detail":"there are /livez, /readyz and /metrics"}');
    const text = await metrics.registry.metrics();
    response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text);
  };
  const { host, port } = settings;
  server.listen(port, host);
  await once(server, 'listening').catch((error: unknown) => {
    throw listenFailure(error, settings);
  });
  const probes: Probes = {
    port: (server.address() as AddressInfo).port,
    isReady: true,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return probes;
}

function send(response: ServerResponse, status: number, json: string): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(json);
}
