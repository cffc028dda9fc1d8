import type { Command } from './command-line/command.ts';

/** Every verb, loaded only when it is called: serving must not wait for what only training needs. */
export const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve/command.ts')).command,
  stream: async () => (await import('./commands/stream/command.ts')).command,
  simulate: async () => (await import('./commands/simulate/command.ts')).command,
  replay: async () => (await import('./commands/replay/command.ts')).command,
  dataset: async () => (await import('./commands/dataset/command.ts')).command,
  verify: async () => (await import('./commands/verify/command.ts')).command,
  rebuild: async () => (await import('./commands/rebuild/command.ts')).command,
  explain: async () => (await import('./commands/explain/command.ts')).command,
  models: async () => (await import('./commands/models/command.ts')).command,
  topics: async () => (await import('./commands/topics/command.ts')).command,
  train: async () => (await import('./commands/train/command.ts')).command,
  evaluate: async () => (await import('./commands/evaluate/command.ts')).command,
  services: async () => (await import('./commands/services/command.ts')).command,
};
