import Layers
import Tensors

/// The diffusion transformer with adaLN-Zero blocks (Peebles and Xie, 2022), by default in a size for 28x28
/// images: patches as tokens, conditioned on timestep and class through scales, shifts and gates.
///
/// Tensor names in files follow the paper's PyTorch class `DiT`.
public struct DiT: Denoiser {
  public let parameters: ParameterLayout
  public let imageChannels: Int
  public let predictionChannels: Int
  public let predictionChannelsKey = "learn_sigma"
  public let imageSize: ImageSize
  public let classes: ModelClasses?

  private let patchSize: Int
  private let patchEmbedding: PatchEmbedding
  private let positions: PositionalEmbedding2D
  private let timestepEmbedder: TimestepEmbedder
  private let labelEmbedder: LabelEmbedder
  private let blocks: [DiTBlock]
  private let finalLayer: FinalLayer

  public init(
    _ settings: DiTSettings, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) {
    let width = settings.hiddenSize
    imageChannels = settings.channels
    predictionChannels = settings.channels * (settings.learnsVariance ? 2 : 1)
    imageSize = .square(settings.imageSize)
    classes = ModelClasses(count: settings.classes, dropout: settings.classDropout)
    patchSize = settings.patchSize

    positions = PositionalEmbedding2D(
      builder, "pos_embed", side: settings.imageSize / patchSize, width: width)
    patchEmbedding = PatchEmbedding(
      builder["x_embedder"]["proj"], channels: settings.channels, width: width, side: patchSize)
    timestepEmbedder = TimestepEmbedder(builder["t_embedder"], width: width)
    labelEmbedder = LabelEmbedder(
      builder["y_embedder"], classes: settings.classes, dropsClasses: settings.classDropout > 0, width: width)
    blocks = (0..<settings.depth).map { index in
      DiTBlock(
        builder["blocks"][index], width: width, heads: settings.heads, mlpWidth: settings.mlpWidth)
    }
    finalLayer = FinalLayer(
      builder["final_layer"], width: width, outputs: patchSize * patchSize * predictionChannels)
    parameters = builder.layout
  }

  public func callAsFunction(_ images: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
    let tape = images.tape
    var x = positions(patchEmbedding(images))
    let condition = timestepEmbedder(timesteps, on: tape) + labelEmbedder(conditioning.classes, on: tape)
    // Each adaLN_modulation begins with the same activation, so it is computed once.
    let activated = condition.silu()
    for block in blocks { x = block(x, activated) }
    return finalLayer(x, activated).unpatchify(side: patchSize)
  }
}

/// `DiTBlock`: attention and a two-layer MLP, each normalised, scaled and shifted before, and gated after.
private struct DiTBlock: Sendable {
  let modulation: Linear
  let attention: MultiHeadAttention
  let linear1: Linear
  let linear2: Linear

  init(_ builder: ParameterBuilder, width: Int, heads: Int, mlpWidth: Int) {
    let attentionBuilder = builder["attn"]
    attention = MultiHeadAttention(
      heads: heads, qkv: Linear(attentionBuilder["qkv"], width, 3 * width, initialization: .xavier),
      output: Linear(attentionBuilder["proj"], width, width, initialization: .xavier))
    linear1 = Linear(builder["mlp"]["fc1"], width, mlpWidth, initialization: .xavier)
    linear2 = Linear(builder["mlp"]["fc2"], mlpWidth, width, initialization: .xavier)
    modulation = Linear(builder["adaLN_modulation"][1], width, 6 * width, initialization: .zeros)
  }

  func callAsFunction(_ x: Tensor, _ activated: Tensor) -> Tensor {
    x.tape.checkpointed {
      // Shift, scale and gate of the attention, then of the perceptron.
      let parts = modulation(activated).columnSlices(6)
      let attentionOutput = attention(modulated(x, shift: parts[0], scale: parts[1]))
      let x = x.adding(attentionOutput, gate: parts[2])
      let hidden = linear1(modulated(x, shift: parts[3], scale: parts[4]), activation: .tanhGELU)
      return x.adding(linear2(hidden), gate: parts[5])
    }
  }
}

/// `FinalLayer`: from tokens to the pixels of their patches.
private struct FinalLayer: Sendable {
  let linear: Linear
  let modulation: Linear

  init(_ builder: ParameterBuilder, width: Int, outputs: Int) {
    linear = Linear(builder["linear"], width, outputs, initialization: .zeros)
    modulation = Linear(builder["adaLN_modulation"][1], width, 2 * width, initialization: .zeros)
  }

  func callAsFunction(_ x: Tensor, _ activated: Tensor) -> Tensor {
    let parts = modulation(activated).columnSlices(2)
    return linear(modulated(x, shift: parts[0], scale: parts[1]))
  }
}

/// `modulate` applied to a layer normalisation without parameters.
private func modulated(_ x: Tensor, shift: ColumnSlice, scale: ColumnSlice) -> Tensor {
  x.layerNormalized(modulation: (shift, scale), epsilon: 1e-6)
}

/// `TimestepEmbedder`: two linear layers over cosines and sines.
private struct TimestepEmbedder: Sendable {
  let sinusoids: SinusoidalEmbedding
  let linear1: Linear
  let linear2: Linear

  init(_ builder: ParameterBuilder, width: Int) {
    let frequencyWidth = 256
    let initialization = Linear.Initialization.normal(deviation: 0.02)
    sinusoids = SinusoidalEmbedding(width: frequencyWidth, spacing: .halfOpen, order: .cosinesFirst)
    linear1 = Linear(builder["mlp"][0], frequencyWidth, width, initialization: initialization)
    linear2 = Linear(builder["mlp"][2], width, width, initialization: initialization)
  }

  /// -> [B, width].
  func callAsFunction(_ timesteps: [Float], on tape: Tape) -> Tensor {
    linear2(linear1(sinusoids(timesteps, on: tape)).silu())
  }
}

/// `LabelEmbedder`: a vector per class, and one for unlabelled images if training drops classes.
private struct LabelEmbedder: Sendable {
  let table: Embedding
  let classes: Int
  let rowWithoutClass: Int?

  init(_ builder: ParameterBuilder, classes: Int, dropsClasses: Bool, width: Int) {
    table = Embedding(
      builder["embedding_table"], rows: classes + (dropsClasses ? 1 : 0), width: width,
      .normal(deviation: 0.02))
    self.classes = classes
    rowWithoutClass = dropsClasses ? classes : nil
  }

  /// -> [B, width].
  func callAsFunction(_ labels: [Int?], on tape: Tape) -> Tensor {
    // With a single class, every labelled image belongs to it, whatever its label in the dataset.
    table(labels.map { label in label.map { classes == 1 ? 0 : $0 } ?? rowWithoutClass }, on: tape)
  }
}
