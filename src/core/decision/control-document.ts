import type { Arm } from './decision.ts';

/** From this probability on: `is_fraud`, review, decline. Each in (0, 1], review at most decline. */
export type Thresholds = {
  readonly fraud: number;
  readonly review: number;
  readonly decline: number;
};

/** One arm of the experiment: a model, its share of users in percent, and what its probabilities lead to. */
export type ControlArm = {
  readonly modelVersion: string;
  /** Of the model's ONNX file and calibration, so that a decision can be computed again by exactly the model that made it. */
  readonly modelSha256: string;
  readonly percent: number;
  readonly thresholds: Thresholds;
};

/** The only thing that changes while the service runs; every decision carries its version. */
export type ControlDocument = {
  readonly version: number;
  /** Mixed into the assignment, so that two experiments split users differently. */
  readonly salt: string;
  readonly arms: Readonly<Record<Arm, ControlArm>>;
  /** Names of the features that decisions under this document carry, in order. */
  readonly features: readonly string[];
  readonly author: string;
  readonly reason: string;
};
