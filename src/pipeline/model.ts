import type { Thresholds } from '../core/decision/control-document.ts';

/** A checked model, ready to score, whatever computes it. */
export type Model = {
  readonly version: string;
  /** Of its ONNX file and its calibration. */
  readonly sha256: string;
  readonly features: readonly string[];
  readonly thresholds: Thresholds;
  /** Median of each feature among the legitimate transactions it was trained on, in the order of `features`. */
  readonly usual: readonly number[];
  /**
   * Calibrated probabilities of fraud, float32, of `count` rows that lie one after the other. Tree ensembles answer at once; other
   * models may take their time.
   */
  readonly score: (rows: Float32Array, count: number) => Float32Array | Promise<Float32Array>;
  /** How far each feature moved the score of each row, in the rows' shape; undefined where the model cannot say. */
  readonly attribute: ((rows: Float32Array, count: number) => Float64Array) | undefined;
};
