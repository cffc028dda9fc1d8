import { join } from 'node:path';
import { loadModel } from '../adapters/model-folder/load-model.ts';
import type { ControlArm, ControlDocument } from '../core/decision/control-document.ts';
import { FEATURE_NAMES } from '../core/features/catalogue.ts';
import { type Control, createControl } from '../pipeline/control.ts';
import type { Model } from '../pipeline/model.ts';

/** The model that decisions were made with is not here, or is not the one it was. */
export class ModelMissingError extends Error {
  readonly code = 'model-missing';
}

/** The control documents of a log as they come, each with exactly the models it names. */
export class ControlsOfLog {
  readonly #modelsDirectory: string;
  readonly #controls = new Map<number, Control>();
  readonly #models = new Map<string, Model>();

  constructor(modelsDirectory: string) {
    this.#modelsDirectory = modelsDirectory;
  }

  /** @throws ModelMissingError naming the model whose folder has another ONNX file now */
  async add(document: ControlDocument): Promise<void> {
    const models = {
      A: await this.#model(document, document.arms.A),
      B: await this.#model(document, document.arms.B),
    };
    this.#controls.set(document.version, createControl(document, models));
  }

  find(version: number): Control {
    const control = this.#controls.get(version);
    if (!control)
      throw new ModelMissingError(`the log has decisions under control ${version}, but not that document`);
    return control;
  }

  async #model({ version }: ControlDocument, { modelVersion, modelSha256 }: ControlArm): Promise<Model> {
    const known = this.#models.get(modelSha256);
    if (known) return known;
    const model = await loadModel(join(this.#modelsDirectory, modelVersion), FEATURE_NAMES);
    if (model.sha256 !== modelSha256) {
      throw new ModelMissingError(
        `control ${version} decided with model ${modelVersion} of sha256 ${modelSha256.slice(0, 12)}..., but the folder ` +
          `has ${model.sha256.slice(0, 12)}...; point --models-dir to the model that was used`,
      );
    }
    this.#models.set(modelSha256, model);
    return model;
  }
}
