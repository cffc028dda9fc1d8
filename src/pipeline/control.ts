import type { ControlArm, ControlDocument } from '../core/decision/control-document.ts';
import type { Arm } from '../core/decision/decision.ts';
import { FEATURE_NAMES } from '../core/features/catalogue.ts';
import { FeatureVectorizer } from '../core/features/feature-vector.ts';
import type { Model } from './model.ts';

/** A control document with what it needs to be followed: its models, and the way from its features to their inputs. */
export type Control = {
  readonly document: ControlDocument;
  readonly vectorizer: FeatureVectorizer;
  readonly arms: Readonly<Record<Arm, ArmModel>>;
};

export type ArmModel = {
  readonly model: Model;
  /** Where each input of the model is in the document's feature vector. */
  readonly inputs: Int32Array;
};

export type ControlSettings = {
  readonly models: Readonly<Record<Arm, Model>>;
  readonly percentA: number;
  readonly salt: string;
  readonly author: string;
  readonly reason: string;
};

/** The document these settings amount to, as version `version`. */
export function createControlDocument(settings: ControlSettings, version: number): ControlDocument {
  const { models, percentA, salt, author, reason } = settings;
  const arms = { A: toControlArm(models.A, percentA), B: toControlArm(models.B, 100 - percentA) };
  return { version, salt, arms, features: FEATURE_NAMES, author, reason };
}

/** True if both documents lead to the same decisions. */
export function isSameControl(one: ControlDocument, other: ControlDocument): boolean {
  const what = ({ salt, arms, features }: ControlDocument) => JSON.stringify({ salt, arms, features });
  return what(one) === what(other);
}

export function createControl(document: ControlDocument, models: Readonly<Record<Arm, Model>>): Control {
  return {
    document,
    vectorizer: new FeatureVectorizer(document.features),
    arms: { A: toArmModel(models.A, document), B: toArmModel(models.B, document) },
  };
}

/** The model's inputs, taken from a feature vector of the control document. */
export function inputRow(arm: ArmModel, features: Float32Array, into: Float32Array, offset: number): void {
  const { inputs } = arm;
  for (let index = 0; index < inputs.length; index++) into[offset + index] = features[inputs[index]];
}

function toControlArm(model: Model, percent: number): ControlArm {
  return {
    modelVersion: model.version,
    modelSha256: model.sha256,
    percent,
    thresholds: model.thresholds,
  };
}

function toArmModel(model: Model, document: ControlDocument): ArmModel {
  return { model, inputs: Int32Array.from(model.features, (name) => document.features.indexOf(name)) };
}
