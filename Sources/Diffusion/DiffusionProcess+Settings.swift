import Kernels
import Settings

extension DiffusionProcess {
  /// The process that the section `diffusion` of a configuration describes.
  ///
  /// - Throws: `SettingsError`.
  public init(_ reader: SettingsReader) throws {
    let timesteps = try reader.value(
      "timesteps", default: 300, in: 1...100_000, help: "diffusion timesteps T")
    self.init(
      schedule: NoiseSchedule(
        try reader.choice("schedule", default: NoiseSchedule.Kind.linear, help: "how β grows"),
        timesteps: timesteps),
      objective: try reader.choice("objective", default: Objective.epsilon, help: "what the model predicts"),
      loss: try reader.choice(
        "loss", default: PredictionLoss.huber, help: "distance from what it should predict"))
  }
}
