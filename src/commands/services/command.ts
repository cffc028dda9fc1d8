import { join } from 'node:path';
import { bringUp, type Service } from '../../adapters/local-servers/local-services.ts';
import { KINDS, type Kind, SHAPES } from '../../adapters/local-servers/service-folder.ts';
import {
  type ServerStatus,
  type ServicesStatus,
  servicesStatus,
  takeDown,
} from '../../adapters/local-servers/service-status.ts';
import { DEFAULT_DATA_DIRECTORY } from '../../assembly/engine-options.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import { Steps } from './steps.ts';

const DEEDS = { up, down, status } as const;

export const command: Command = {
  name: 'services',
  summary: 'a real Redis and Kafka on this machine, for development and tests',
  usage: 'up|down|status',
  help: `
up starts a Redis and a Kafka on 127.0.0.1 that go on in the background, waits until they serve, and prints the
variables that make the service use them. What runs already is left as it is. down ends what up started, and nothing
else; the data stays for the next up. status says what runs where.

  ./fraud services up                        one Redis and one Kafka
  eval "$(./fraud services up)"              and their variables set in this shell
  ./fraud services up --shape fleet          a Redis Cluster of six nodes and three Kafka brokers
  ./fraud services up --only redis
  ./fraud services down

Where they come from, in this order:
  1. REDIS_HOST (and REDIS_PORT), KAFKA_BOOTSTRAP_SERVERS: nothing is started, only checked that they answer.
  2. Programs of this machine: redis-server from the path; Kafka from Maven Central, once, with the JDK (17 or newer)
     and Maven from the path. As root on Debian, what is missing of these is installed with apt-get.
  3. Docker Compose (deploy/compose.yaml), where a daemon answers; --shape single only.

Usual ports are 6379 and 9092 (fleet: 7001 to 7006 and 9192 to 9194); where one is taken, others are chosen, and kept.
To begin with empty servers: ./fraud services down, and delete the folder.`,
  options: {
    shape: { value: 'SHAPE', description: SHAPES.join(' or '), default: 'single' },
    only: { value: 'KIND', description: `${KINDS.join(' or ')} alone` },
    dir: { value: 'DIR', description: 'folder of the servers and their data (default data/services)' },
    json: { description: 'print the result as JSON' },
  },
  takesWords: true,
  run,
};

async function run(arguments_: Arguments): Promise<void> {
  const [word, ...rest] = arguments_.positionals;
  if (word === undefined || rest.length > 0 || !Object.hasOwn(DEEDS, word))
    throw new UsageError(`fraud services takes one word: ${Object.keys(DEEDS).join(', ')}`);
  await DEEDS[word as keyof typeof DEEDS](arguments_);
}

async function up(arguments_: Arguments): Promise<void> {
  using steps = new Steps();
  const services = await bringUp({
    folder: folderOf(arguments_),
    shape: oneOf(SHAPES, 'shape', arguments_.required('shape')),
    kinds: kindsOf(arguments_),
    environment: process.env,
    onProgress: (text) => steps.begin(text),
  });
  if (!arguments_.has('json')) for (const service of services) process.stderr.write(`${describe(service)}\n`);
  const variables = Object.assign({}, ...services.map(variablesOf));
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${value}\n`);
  print(arguments_, { services, variables }, lines.join(''));
}

async function down(arguments_: Arguments): Promise<void> {
  using steps = new Steps();
  steps.begin('ending servers');
  const ended = await takeDown(folderOf(arguments_), kindsOf(arguments_));
  const lines = [
    ...ended.servers.map(({ name, pid, address }) => `${name} at ${address} (process ${pid}) has ended\n`),
    ...ended.inDocker.map((kind) => `the container of ${kind} has ended\n`),
  ];
  print(arguments_, ended, lines.join('') || 'nothing runs that was started here\n');
}

async function status(arguments_: Arguments): Promise<void> {
  const found = await servicesStatus(folderOf(arguments_), kindsOf(arguments_));
  print(arguments_, found, tableOf(found) || 'nothing was started here; begin with: ./fraud services up\n');
}

function folderOf(arguments_: Arguments): string {
  return arguments_.text('dir') ?? join(DEFAULT_DATA_DIRECTORY, 'services');
}

function kindsOf(arguments_: Arguments): readonly Kind[] {
  const only = arguments_.text('only');
  return only === undefined ? KINDS : [oneOf(KINDS, 'only', only)];
}

function oneOf<Word extends string>(words: readonly Word[], option: string, text: string): Word {
  const word = words.find((one) => one === text);
  if (word === undefined) throw new UsageError(`--${option} must be ${words.join(' or ')}, not "${text}"`);
  return word;
}

function describe({ kind, source, addresses, isNew }: Service): string {
  const where = addresses.join(', ');
  if (source === 'environment') return `${kind} is named by the environment and answers at ${where}`;
  const place = source === 'docker' ? 'in a container ' : '';
  return `${kind} ${isNew ? 'serves' : 'was up already and serves'} ${place}at ${where}`;
}

/** What makes the service use it. Of a Redis Cluster any node will do: it knows the others. */
function variablesOf({ kind, addresses }: Service): Readonly<Record<string, string>> {
  if (kind === 'kafka') return { KAFKA_BOOTSTRAP_SERVERS: addresses.join(',') };
  const [, host, port] = /^(.*):(\d+)$/.exec(addresses[0])!;
  return { REDIS_HOST: host, REDIS_PORT: port, ...(addresses.length > 1 && { REDIS_CLUSTER: 'true' }) };
}

function tableOf({ servers, inDocker }: ServicesStatus): string {
  const rows = servers.map(rowOf);
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, ...inDocker.map((kind) => `${kind} was started in a container; docker ps knows more`)]
    .map((line) => `${line}\n`)
    .join('');
}

function rowOf({
  name,
  shape,
  address,
  pid,
  startedAt,
  isRunning,
  memoryBytes,
}: ServerStatus): readonly string[] {
  if (!isRunning) return [name, shape, address, 'stopped', '', ''];
  const memory = `${Math.round(memoryBytes / 1_000_000)} MB`;
  return [name, shape, address, `process ${pid}`, `since ${startedAt}`, memory];
}

function print(arguments_: Arguments, value: object, text: string): void {
  process.stdout.write(arguments_.has('json') ? `${JSON.stringify(value)}\n` : text);
}
