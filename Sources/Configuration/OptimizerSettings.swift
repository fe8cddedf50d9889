import Settings

/// The section `optimizer`.
public struct OptimizerSettings: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case adam
    case adamW = "adamw"
  }

  public let kind: Kind
  public let learningRate: Double
  public let betas: [Double]
  public let epsilon: Double
  public let weightDecay: Double
  /// Whether weight decay also pulls at vectors: biases, and the scales and shifts of normalisations.
  public let decaysVectors: Bool
  /// Gradients longer than this are shortened to it; 0: never.
  public let clipNorm: Double
  /// Steps over which the learning rate grows from 0.
  public let warmupSteps: Int

  init(_ reader: SettingsReader) throws {
    kind = try reader.choice("kind", default: Kind.adam, help: "adam, or adamw with decoupled weight decay")
    learningRate = try reader.value("learning_rate", default: 1e-3, in: 0.0..., help: "step size")
    betas = try reader.value(
      "betas", default: [0.9, 0.999], in: 0.0..<1.0, count: 2...2, help: "decay of the two moments")
    epsilon = try reader.value(
      "eps", default: 1e-8, in: Above(0), help: "added to the root of the second moment")
    weightDecay = try reader.value("weight_decay", default: 0, in: 0.0..., help: "pull of the weights to 0")
    decaysVectors = try reader.value(
      "decay_vectors", default: false, help: "whether biases and normalisations decay too")
    clipNorm = try reader.value("clip_norm", default: 0, in: 0.0..., help: "largest gradient norm; 0: any")
    warmupSteps = try reader.value(
      "warmup_steps", default: 0, in: 0..., help: "steps over which the learning rate grows from 0")
  }
}
