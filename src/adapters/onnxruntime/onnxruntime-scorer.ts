import type { InferenceSession } from 'onnxruntime-node';

/** A model that ONNX Runtime cannot load, or that is no classifier with probabilities of two classes. */
export class OnnxRuntimeModelError extends Error {
  readonly code = 'onnxruntime-model';
}

/**
 * Scores any binary classifier in ONNX: the reference for tree ensembles, and the scorer of everything else. The library
 * is loaded when the first such model is. One thread: with more, sums come in another order and in other bits.
 */
export class OnnxRuntimeScorer {
  readonly featureCount: number;
  readonly #session: InferenceSession;
  readonly #createTensor: (
    rows: Float32Array,
    shape: readonly [number, number],
  ) => import('onnxruntime-node').Tensor;

  private constructor(
    session: InferenceSession,
    createTensor: (rows: Float32Array, shape: readonly [number, number]) => import('onnxruntime-node').Tensor,
    featureCount: number,
  ) {
    this.#session = session;
    this.#createTensor = createTensor;
    this.featureCount = featureCount;
  }

  /** @throws OnnxRuntimeModelError */
  static async load(onnx: Uint8Array): Promise<OnnxRuntimeScorer> {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    try {
      const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1 });
      const createTensor = (rows: Float32Array, shape: readonly [number, number]) =>
        new Tensor('float32', rows, shape);
      return new OnnxRuntimeScorer(session, createTensor, inputWidth(session));
    } catch (error) {
      const [firstLine] = (error as Error).message.split('\n');
      throw new OnnxRuntimeModelError(firstLine, { cause: error });
    }
  }

  /** Probabilities of fraud, float32, of `count` rows that lie one after the other. */
  async score(rows: Float32Array, count: number): Promise<Float32Array> {
    const input = this.#createTensor(rows, [count, this.featureCount]);
    const outputs = await this.#session.run({ [this.#session.inputNames[0]]: input });
    const probabilities = Object.values(outputs).find(
      ({ type, dims }) => type === 'float32' && dims[1] === 2,
    );
    if (!probabilities) throw new OnnxRuntimeModelError('no output has the probabilities of two classes');
    const both = probabilities.data as Float32Array;
    return Float32Array.from({ length: count }, (_value, row) => both[2 * row + 1]);
  }
}

function inputWidth({ inputMetadata }: InferenceSession): number {
  const [input, ...others] = inputMetadata;
  const width = input?.isTensor && input.type === 'float32' ? input.shape[1] : undefined;
  if (others.length > 0 || typeof width !== 'number' || width < 1) {
    throw new OnnxRuntimeModelError('the model has not one input of float32 rows');
  }
  return width;
}
