/**
 * Everything that decides in one process, put together after the environment's word:
 *
 *                          no Kafka                              Kafka
 *   no Redis    embedded log, embedded views      the same, and the log is forwarded to the topics
 *   Redis       embedded log, shared views        the topics are the log (with a local spool), shared views
 */
import { join } from 'node:path';
import { loadModel } from '../adapters/model-folder/load-model.ts';
import type { Arm } from '../core/decision/decision.ts';
import { FEATURE_NAMES } from '../core/features/catalogue.ts';
import type { Model } from '../pipeline/model.ts';
import type { Engine, EngineObserver, EngineSettings } from './engine.ts';

/** Models are checked first: a service that cannot score must not touch the log. */
export async function openEngine(settings: EngineSettings, observer: EngineObserver): Promise<Engine> {
  const models = await loadArms(settings);
  if (settings.redis) {
    const { FleetEngine } = await import('./fleet-engine.ts');
    return FleetEngine.open({ ...settings, redis: settings.redis }, models, observer);
  }
  const { EmbeddedEngine } = await import('./embedded-engine.ts');
  return EmbeddedEngine.open(settings, models, observer);
}

async function loadArms({ modelsDirectory, modelVersions }: EngineSettings): Promise<Record<Arm, Model>> {
  const load = (version: string) => loadModel(join(modelsDirectory, version), FEATURE_NAMES);
  return { A: await load(modelVersions.A), B: await load(modelVersions.B) };
}
