import Kernels
import Tensors

/// A task whose losses depend on all samples of a step's batch at once.
///
/// Before its micro-batches are trained on, their features are computed without gradients and gathered from all ranks.
/// Each micro-batch is then recomputed with gradients against the features of the others (Gao et al., "Scaling Deep
/// Contrastive Learning Batch Size under Memory Limited Setup", 2021), so that memory does not grow with the batch.
public protocol WholeBatchTask: TrainingTask {
  /// Number of feature values per sample.
  var featureSize: Int { get }

  /// Clamps weights to their bounds before anything is computed with them, identically on all ranks.
  func bound(_ weights: ParameterBuffer)

  /// The features of a micro-batch, [B, `featureSize`].
  func features(of input: TaskInput, on tape: Tape) -> Tensor

  /// What a micro-batch needs to know about all N samples; the same on all ranks.
  ///
  /// - Parameter features: [N, `featureSize`], in the batch's order.
  func wholeBatch(_ features: [Float], weights: ParameterBuffer, engine: Engine) -> WholeBatch
}

/// What is known of all N samples of a step's batch: embeddings of images and texts, [N, D] each, and the log-sum-exp
/// of similarities, for each image over all texts and for each text over all images.
public struct WholeBatch: Sendable {
  let images: [Float]
  let texts: [Float]
  let imageNormalizers: [Float]
  let textNormalizers: [Float]

  /// N.
  var count: Int { imageNormalizers.count }
}
