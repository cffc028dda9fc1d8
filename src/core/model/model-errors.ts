/**
 * Thrown when a model file contradicts itself or its format: truncated, cyclic, a feature that is not there. No
 * scorer should be asked to make sense of it. The message names the culprit.
 */
export class MalformedModelError extends Error {
  readonly code = 'model_malformed';
}

/**
 * Thrown when a model may well be right but is not one that `readTreeEnsemble` scores exactly: another operator, more
 * than two classes, a comparison it does not know. ONNX Runtime can be asked instead. The message names the culprit.
 */
export class UnsupportedModelError extends Error {
  readonly code = 'model_unsupported';
}
