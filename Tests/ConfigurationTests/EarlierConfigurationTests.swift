import Configuration
import Optimization
import Settings
import Testing

@Suite struct EarlierConfigurationTests {
  @Test func keptConfigurationsAreReadUnderTodaysKeys() throws {
    let kept: SettingsNode = [
      "dataset": ["path": "data"],
      "model": ["kind": "annotated-unet", "dim": 8, "dim_mults": [1, 2], "channels": 1],
      "diffusion": ["timesteps": 20, "objective": "epsilon"],
      "training": ["slices": 4, "batch_size": 16, "answer_timeout_seconds": 5, "ema_decay": 0.9],
    ]
    #expect(throws: SettingsError.self) { try TrainingConfiguration(kept) }
    let today = try TrainingConfiguration(kept.withTodaysKeys)
    #expect(today.training.microbatches == 4 && today.training.batchSize == 16)
    #expect(today.training.heartbeatTimeout == 5)
    #expect(today.ema.first == .constant(decay: 0.9))
    // What is of today stays as it is.
    #expect(today.resolved.withTodaysKeys == today.resolved)
  }
}
