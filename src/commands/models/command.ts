import { resolve } from 'node:path';
import { listModels, loadModel } from '../../adapters/model-folder/load-model.ts';
import { DEFAULT_MODELS_DIRECTORY } from '../../assembly/engine-options.ts';
import type { Arguments, Command } from '../../command-line/command.ts';
import { FEATURE_NAMES } from '../../core/features/catalogue.ts';

export const command: Command = {
  name: 'models',
  summary: 'lists and checks the model folders',
  usage: '[--models-dir DIR]',
  help: `
Loads every model folder as the service would: the hash of the ONNX file, its shape, its features, and its parity vectors,
which must come out bit for bit. Exit code 1 if one is refused.`,
  options: {
    'models-dir': { value: 'DIR', description: 'folder of the model folders (default models)' },
    json: { description: 'print the list as JSON' },
  },
  run,
};

type Checked = { readonly version: string; readonly isGood: boolean; readonly text: string };

async function run(arguments_: Arguments): Promise<void> {
  const directory = resolve(arguments_.text('models-dir') ?? DEFAULT_MODELS_DIRECTORY);
  const folders = await listModels(directory);
  const checked = await Promise.all(folders.map(check));
  if (arguments_.has('json')) process.stdout.write(`${JSON.stringify(checked)}\n`);
  else
    for (const { version, isGood, text } of checked)
      process.stdout.write(`${version}  ${isGood ? 'good' : 'REFUSED'}  ${text}\n`);
  if (checked.some(({ isGood }) => !isGood)) process.exitCode = 1;
}

async function check(folder: string): Promise<Checked> {
  const version = folder.split('/').at(-1)!;
  try {
    const { features, thresholds, sha256 } = await loadModel(folder, FEATURE_NAMES);
    const text = `${features.length} features, review from ${thresholds.review}, decline from ${thresholds.decline}, sha256 ${sha256.slice(0, 12)}...`;
    return { version, isGood: true, text };
  } catch (error) {
    return { version, isGood: false, text: (error as Error).message };
  }
}
