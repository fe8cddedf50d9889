import Optimization
import Settings

/// The `optimizer` section.
public struct OptimizerSettings: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case adam
    case adamW = "adamw"
  }

  public let kind: Kind
  /// The learning rate of each step.
  public let schedule: LearningRateSchedule
  public let betas: [Double]
  public let epsilon: Double
  public let weightDecay: Double
  /// Whether weight decay also applies to vectors: biases, and the scales and shifts of normalisation layers.
  public let decaysVectors: Bool
  /// Gradients with a larger norm are scaled down to it; 0 disables clipping.
  public let clipNorm: Double

  /// - Parameter steps: total steps of the run.
  init(_ reader: SettingsReader, steps: Int) throws {
    kind = try reader.choice("kind", default: Kind.adam, help: "adam, or adamw with decoupled weight decay")
    let peak = try reader.value("learning_rate", default: 1e-3, in: 0.0..., help: "step size")
    betas = try reader.value(
      "betas", default: [0.9, 0.999], in: 0.0..<1.0, count: 2...2, help: "decay of the two moments")
    epsilon = try reader.value(
      "eps", default: 1e-8, in: Above(0), help: "added to the root of the second moment")
    weightDecay = try reader.value("weight_decay", default: 0, in: 0.0..., help: "pull of the weights to 0")
    decaysVectors = try reader.value(
      "decay_vectors", default: false, help: "whether biases and normalisations decay too")
    clipNorm = try reader.value("clip_norm", default: 0, in: 0.0..., help: "largest gradient norm; 0: any")
    schedule = try LearningRateSchedule(reader, peak: peak, total: steps)
  }
}
