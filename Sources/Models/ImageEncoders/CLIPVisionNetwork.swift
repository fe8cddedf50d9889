import Layers
import Tensors

/// transformers' `CLIPVisionModel`: the vision transformer of CLIP (Radford et al., 2021). A class token represents the
/// whole image.
struct CLIPVisionNetwork: Sendable {
  let settings: CLIPVisionSettings
  private let classToken: TrainedVector
  private let patches: Convolution2D
  private let positions: LearnedPositionalEmbedding
  private let firstNorm: LayerNorm
  private let transformer: CLIPTransformer
  private let finalNorm: LayerNorm

  init(_ builder: ParameterBuilder, _ settings: CLIPVisionSettings) {
    self.settings = settings
    let (width, epsilon) = (settings.transformer.width, settings.transformer.epsilon)
    let side = settings.imageSize / settings.patchSize
    let embeddings = builder["embeddings"]
    let initialization = Parameter.Initialization.normal(
      deviation: settings.transformer.range * settings.transformer.factor)
    classToken = TrainedVector(
      embeddings, "class_embedding", shape: [width],
      .normal(deviation: settings.transformer.factor / Float(width).squareRoot()))
    patches = Convolution2D(
      embeddings["patch_embedding"], settings.channels, width, kernel: settings.patchSize,
      stride: settings.patchSize, hasBias: false, initialization: initialization)
    positions = LearnedPositionalEmbedding(
      embeddings["position_embedding"], places: side * side + 1, width: width, initialization)
    firstNorm = LayerNorm(builder["pre_layrnorm"], channels: width, epsilon: epsilon)
    transformer = CLIPTransformer(builder["encoder"], settings.transformer)
    finalNorm = LayerNorm(builder["post_layernorm"], channels: width, epsilon: epsilon)
  }

  /// [B, H, W, C] -> [B, D]: the class token of each image.
  func callAsFunction(_ images: Tensor) -> Tensor {
    let (batch, side) = (images.shape[0], settings.imageSize)
    precondition(
      images.shape == [batch, side, side, settings.channels],
      "images \(images.shape) for a model of \(side)x\(side) and \(settings.channels) channels")
    let embedded = patches(images)
    let tokens = Tensor.concatenated(
      [
        classToken.token(batch: batch, on: images.tape),
        embedded.reshaped([batch, embedded.shape[1] * embedded.shape[2], embedded.shape[3]]),
      ], axis: 1)
    let hidden = transformer(firstNorm(positions(tokens)), isCausal: false)
    return finalNorm(hidden.tokens(at: [Int](repeating: 0, count: batch)))
  }
}
