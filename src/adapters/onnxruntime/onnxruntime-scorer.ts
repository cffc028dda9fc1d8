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

  /** Scores a row before it gives the scorer away: only then is it known what comes out. @throws OnnxRuntimeModelError */
  static async load(onnx: Uint8Array): Promise<OnnxRuntimeScorer> {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    try {
      const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1, interOpNumThreads: 1 });
      const createTensor = (rows: Float32Array, shape: readonly [number, number]) =>
        new Tensor('float32', rows, shape);
      const scorer = new OnnxRuntimeScorer(session, createTensor, inputWidth(session));
      await scorer.score(new Float32Array(scorer.featureCount), 1);
      return scorer;
    } catch (error) {
      const [firstLine] = (error as Error).message.split('\n');
      throw new OnnxRuntimeModelError(firstLine, { cause: error });
    }
  }

  /**
   * Probabilities of fraud, float32, of `count` rows that lie one after the other, each scored by itself: where operators
   * multiply matrices, a row that has company comes out with other last bits, and a decision must not depend on its batch.
   */
  async scoreEach(rows: Float32Array, count: number): Promise<Float32Array> {
    const probabilities = new Float32Array(count);
    for (let row = 0; row < count; row++) {
      const alone = rows.subarray(row * this.featureCount, (row + 1) * this.featureCount);
      probabilities.set(await this.score(alone, 1), row);
    }
    return probabilities;
  }

  /** The same in one go, for models whose rows do not touch each other, as those of tree ensembles do not. */
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
