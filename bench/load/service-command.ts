import { fileURLToPath } from 'node:url';

export const PROJECT_DIRECTORY = fileURLToPath(new URL('../../', import.meta.url));

/** How the service is started, unless an option says otherwise; words are separated by blanks. */
export const DEFAULT_SERVICE = './fraud serve --port {port} --data-dir {data-dir}';

/** The command's words, with `{port}` and `{data-dir}` filled in. */
export function parseServiceCommand(
  template: string,
  values: { readonly port: number; readonly dataDirectory: string },
): { readonly command: string; readonly args: readonly string[] } {
  const [command, ...args] = template
    .trim()
    .split(/\s+/)
    .map((word) => word.replace('{port}', `${values.port}`).replace('{data-dir}', values.dataDirectory));
  if (command === undefined || command === '') throw new Error('--service must be a command');
  return { command, args };
}
