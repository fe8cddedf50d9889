import Configuration
import Files
import Settings
import TestSupport
import Testing
import TrainingTestSupport

@Suite struct TrainingConfigurationTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// What users rely on when they leave keys out.
  @Test func defaultsAreAsDocumented() throws {
    let node: SettingsNode = ["dataset": ["path": "data"], "model": ["kind": "annotated-unet"]]
    let resolved = try TrainingConfiguration(node).resolved
    let defaults: [(String, SettingsNode)] = [
      ("model.dim", 64), ("model.dim_mults", [1, 2, 4, 8]), ("model.channels", 3), ("model.groups", 4),
      ("diffusion.timesteps", 300), ("diffusion.schedule", "linear"), ("diffusion.prediction", "epsilon"),
      ("diffusion.loss", "huber"), ("optimizer.kind", "adam"), ("optimizer.learning_rate", 1e-3),
      ("optimizer.betas", [0.9, 0.999]), ("optimizer.eps", 1e-8), ("optimizer.weight_decay", 0),
      ("optimizer.clip_norm", 0), ("optimizer.warmup_steps", 0), ("training.batch_size", 128),
      ("training.microbatches", 8),
      ("training.steps", 2800), ("training.seed", 0), ("ema.decay", 0.995),
      ("training.log_every", 10),
      ("checkpoint.every", 500), ("checkpoint.keep", 3), ("sampling.every", 1000), ("sampling.count", 36),
    ]
    for (key, value) in defaults { #expect(resolved[key] == value, "\(key)") }
  }

  @Test func theResolvedFileReadsBackTheSame() throws {
    let before = try configuration("training.seed=18446744073709551615", "optimizer.learning_rate=3e-4")
    let path = "\(folder.path)/c.yaml"
    try write(before.commentedYAML, to: path)
    let after = try TrainingConfiguration(file: path)
    #expect(after.resolved == before.resolved && after.commentedYAML == before.commentedYAML)
    #expect(after.training.seed == .max)
  }

  @Test(arguments: [
    ("training.batch_size=0", "training.batch_size"), ("training.microbatches=0", "training.microbatches"),
    ("training.steps=1.5", "training.steps"), ("training.steps=0", "training.steps"),
    ("training.seed=-1", "training.seed"), ("ema.decay=1", "ema.decay"),
    ("training.log_every=0", "training.log_every"), ("optimizer.learning_rate=-1", "optimizer.learning_rate"),
    ("optimizer.learning_rate=.nan", "optimizer.learning_rate"), ("optimizer.betas=[0.9]", "optimizer.betas"),
    ("optimizer.betas=[0.9, 1]", "optimizer.betas"), ("optimizer.eps=0", "optimizer.eps"),
    ("optimizer.kind=sgd", "optimizer.kind"), ("checkpoint.keep=-1", "checkpoint.keep"),
    ("sampling.count=0", "sampling.count"), ("diffusion.timesteps=0", "diffusion.timesteps"),
    ("diffusion.schedule=loglinear", "diffusion.schedule"), ("model.groups=3", "model.groups"),
    ("model.out_dim=2", "model.out_dim"), ("dataset.horizontal_flip=maybe", "dataset.horizontal_flip"),
  ]) func valuesThatMakeNoSenseAreNamed(setting: String, key: String) throws {
    let error = #expect(throws: SettingsError.self) { try configuration(setting) }
    #expect(error?.problems.map(\.path) == [key], "\(error?.description ?? "")")
  }

  @Test(arguments: [
    ("training.ema_decay=0", "training.ema_decay: is now ema.decay"),
    ("training.slices=4", "training.slices: is now training.microbatches"),
    (
      "training.answer_timeout_seconds=9",
      "training.answer_timeout_seconds: is now training.heartbeat_timeout_seconds"
    ),
  ]) func keysOfEarlierVersionsNameTheirSuccessors(setting: String, message: String) {
    let error = #expect(throws: SettingsError.self) { try configuration(setting) }
    #expect(error?.description.hasSuffix(message) == true, "\(error?.description ?? "")")
  }

  /// The key by which a model predicts more channels than its images have is that model's own.
  @Test(arguments: [("dit", "learn_sigma", "true"), ("attention-unet", "out_channels", "2")])
  func predictionsOfOtherChannelsAreNamed(kind: String, key: String, value: String) {
    let base: SettingsNode = ["dataset": ["path": "data"], "model": ["kind": .init(stringLiteral: kind)]]
    let error = #expect(throws: SettingsError.self) {
      try TrainingConfiguration(base.applying(overrides: ["model.\(key)=\(value)"]))
    }
    #expect(error?.problems.map(\.path) == ["model.\(key)"], "\(error?.description ?? "")")
  }

  @Test func aMissingFileIsNamed() {
    let error = #expect(throws: SettingsError.self) {
      try TrainingConfiguration(file: "\(folder.path)/none.yaml")
    }
    #expect(error?.description == "\(folder.path)/none.yaml: there is no such file")
  }
}
