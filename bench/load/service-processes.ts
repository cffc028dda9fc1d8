import { join } from 'node:path';
import { findFreePort, ServerProcess } from './server-process.ts';
import { PROJECT_DIRECTORY, parseServiceCommand } from './service-command.ts';

const START_WITHIN_MS = 30_000;

/** Processes of `fraud serve`, each with a port and a data directory of its own; ended with `resources`. */
export async function startServices(
  plan: {
    readonly count: number;
    readonly command: string;
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
  },
  resources: AsyncDisposableStack,
): Promise<readonly ServerProcess[]> {
  const services: ServerProcess[] = [];
  for (let number = 1; number <= plan.count; number++) {
    const port = await findFreePort();
    const dataDirectory = join(plan.folder, `data-${number}`);
    const service = await ServerProcess.start({
      ...parseServiceCommand(plan.command, { port, dataDirectory }),
      directory: PROJECT_DIRECTORY,
      environment: plan.environment,
      url: `http://127.0.0.1:${port}/predict`,
      logFile: join(plan.folder, `serve-${number}.log`),
      startWithinMs: START_WITHIN_MS,
    });
    services.push(resources.use(service));
  }
  return services;
}
