import Kernels
import Tensors

/// A task whose losses depend on all samples of a step's batch at once.
///
/// Before its micro-batches are trained on, features of all of them are computed without gradients and gathered from all
/// ranks. Each micro-batch is then computed again, with gradients, against those of the others (Gao et al., "Scaling Deep
/// Contrastive Learning Batch Size under Memory Limited Setup", 2021): memory does not grow with the batch.
public protocol WholeBatchTask: TrainingTask {
  /// Numbers of a sample's features.
  var featureSize: Int { get }

  /// Keeps weights in their bounds, before anything is computed with them: on all ranks alike.
  func bound(_ weights: ParameterBuffer)

  /// The features of a micro-batch, [B, `featureSize`].
  func features(of input: TaskInput, on tape: Tape) -> Tensor

  /// What a micro-batch needs of all N samples: the same on all ranks.
  ///
  /// - Parameter features: [N, `featureSize`], in the batch's order.
  func wholeBatch(_ features: [Float], weights: ParameterBuffer, engine: Engine) -> WholeBatch
}

/// What is known of all N samples of a step's batch: embeddings of images and texts, [N, D] each, and of each image the
/// logarithm of the sum over all texts of e^similarity, and of each text that over all images.
public struct WholeBatch: Sendable {
  let images: [Float]
  let texts: [Float]
  let imageNormalizers: [Float]
  let textNormalizers: [Float]

  /// N.
  var count: Int { imageNormalizers.count }
}
