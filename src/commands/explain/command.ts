import { locateDataDirectory } from '../../adapters/data-directory/data-directory.ts';
import { LmdbView } from '../../adapters/lmdb/lmdb-view.ts';
import type { RedisSettings } from '../../adapters/redis/redis-settings.ts';
import { RedisStores } from '../../adapters/redis/redis-stores.ts';
import { openSegmentLogReader } from '../../adapters/segment-log/segment-log-reader.ts';
import { ControlsOfLog } from '../../assembly/controls-of-log.ts';
import type { EngineSettings } from '../../assembly/engine.ts';
import { ROOT } from '../../assembly/engine-options.ts';
import { environmentWith } from '../../assembly/service-process.ts';
import { readServiceSettings } from '../../assembly/service-settings.ts';
import { readWholeLog } from '../../assembly/whole-log.ts';
import { type Arguments, type Command, UsageError } from '../../command-line/command.ts';
import type { ControlDocument } from '../../core/decision/control-document.ts';
import { decisionReportJson } from '../../core/decision/decision-report.ts';
import type { Reason } from '../../core/decision/reasons.ts';
import { FEATURES } from '../../core/features/catalogue.ts';
import { isId, type TransactionId } from '../../core/transaction/ids.ts';
import { formatTimestamp } from '../../core/transaction/timestamp.ts';
import { UNITS_PER_MAJOR } from '../../core/transaction/transaction.ts';
import type { Control } from '../../pipeline/control.ts';
import type { IndexedDecision } from '../../pipeline/decision-index.ts';
import { explainScores } from '../../pipeline/score.ts';

export const command: Command = {
  name: 'explain',
  summary: 'tells in words why a transaction was decided as it was',
  usage: 'TRANSACTION_ID [--data-dir DIR]',
  help: `
Finds the decision in the event log and shows it with its reasons and every feature that it was made from. The service
may be running. A running service gives the same as JSON: GET /decisions/TRANSACTION_ID. With REDIS_HOST set it asks Redis.

  ./fraud explain t-1`,
  options: {
    'data-dir': { value: 'DIR', description: 'folder of the event log (default data)' },
    'models-dir': { value: 'DIR', description: 'folder of the model folders (default models)' },
    json: { description: 'print the decision as JSON' },
  },
  takesWords: true,
  run,
};

type Explained = IndexedDecision & { readonly document: ControlDocument };

/** The transaction was never decided here. */
class UnknownTransactionError extends Error {
  readonly code = 'unknown-transaction';
}

async function run(arguments_: Arguments): Promise<void> {
  const [id, ...others] = arguments_.positionals;
  if (id === undefined || others.length > 0)
    throw new UsageError('name one transaction: fraud explain TRANSACTION_ID');
  const { engine } = readServiceSettings(environmentWith(arguments_), ROOT, { command: 'fraud explain' });
  const controls = new ControlsOfLog(engine.modelsDirectory);
  const found = isId(id) ? await findDecision(engine, id as TransactionId) : undefined;
  if (!found) throw new UnknownTransactionError(`no transaction ${id} was decided in ${placeOf(engine)}`);
  const { decision, label, document } = found;
  await controls.add(document);
  const control = controls.find(document.version);
  const arm = Object.values(control.arms).find(({ model }) => model.version === decision.modelVersion)!;
  const [reasons] = explainScores([decision.features], arm);
  const json = decisionReportJson(decision, control.document, reasons, label);
  process.stdout.write(arguments_.has('json') ? `${json}\n` : inWords(found, control, reasons));
}

function placeOf({ redis, dataDirectory }: EngineSettings): string {
  return redis ? `the services that share Redis at ${redis.host}:${redis.port}` : dataDirectory;
}

function findDecision(settings: EngineSettings, id: TransactionId): Promise<Explained | undefined> {
  const { redis } = settings;
  return redis ? findInRedis({ ...settings, redis }, id) : findInDataDirectory(settings.dataDirectory, id);
}

async function findInRedis(
  { redis, ...log }: EngineSettings & { readonly redis: RedisSettings },
  id: TransactionId,
): Promise<Explained | undefined> {
  await using stores = await RedisStores.open(redis);
  const [found] = await stores.decisionIndex.find([id]);
  if (!found) return undefined;
  // Control documents come first in a log.
  for await (const events of readWholeLog(log, () => {})) {
    for (const event of events) {
      if (event.kind === 'control' && event.control.version === found.decision.controlVersion)
        return { ...found, document: event.control };
    }
  }
  return undefined;
}

/** Asks the index, and where that is some thousand decisions behind a running service, the end of the log. */
async function findInDataDirectory(path: string, id: TransactionId): Promise<Explained | undefined> {
  const directory = await locateDataDirectory(path);
  const log = openSegmentLogReader(directory.logPath);
  await using view = LmdbView.openReadOnly(directory.viewsPath, log);
  for await (const batch of log.read(view.position)) {
    for (const logged of batch) view.apply(logged);
  }
  const [found] = await view.decisionIndex.find([id]);
  const document = found && view.controlHistory.find(found.decision.controlVersion);
  return document && { ...found, document };
}

function inWords({ decision, label }: IndexedDecision, control: Control, reasons: readonly Reason[]): string {
  const { transaction, fraudProbability, modelVersion, outcome } = decision;
  const { thresholds } = control.document.arms[decision.arm];
  const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
  const names = control.document.features;
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return [
    `${transaction.transactionId}: ${outcome}${decision.isFraud ? ', taken for fraud' : ''}`,
    '',
    `User ${transaction.userId} paid ${transaction.amountUnits / UNITS_PER_MAJOR} ${transaction.currency ?? ''}`.trimEnd() +
      ` (${transaction.merchantCategory}) at terminal ${transaction.terminalId ?? 'unknown'}, ` +
      `${transaction.isInternational ? 'abroad' : 'at home'}, ${formatTimestamp(transaction.timestampMs)}.`,
    `Model ${modelVersion} (arm ${decision.arm}, control ${decision.controlVersion}) gave it a fraud probability of ` +
      `${percent(fraudProbability)}; review begins at ${percent(thresholds.review)}, decline at ${percent(thresholds.decline)}.`,
    `Decided ${formatTimestamp(decision.decidedAtMs)}, ${decision.latencyMs} ms after it arrived` +
      `${decision.degraded.length > 0 ? `, without ${decision.degraded.join(', ')}` : ''}.`,
    label
      ? `Since ${formatTimestamp(label.knownAtMs)} known to be ${label.isFraud ? 'fraud' : 'legitimate'}.`
      : 'Nothing is known of it yet.',
    '',
    'What spoke most for fraud',
    ...(reasons.length === 0 ? ['  nothing'] : reasons.map((reason) => `  ${reason.text}`)),
    '',
    'Features',
    ...names.map(
      (name, index) => `  ${name.padEnd(width)}${shown(decision.features[index])} ${unitOf(name)}`,
    ),
    '',
  ].join('\n');
}

function shown(value: number): string {
  return Number.isNaN(value) ? 'none' : String(Number(value.toPrecision(7)));
}

function unitOf(name: string): string {
  return FEATURES.find((feature) => feature.name === name)?.unit ?? '';
}
