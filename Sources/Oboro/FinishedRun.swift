import Configuration
import Reporting

extension TrainingConfiguration {
  /// What a finished run is for: the command, or the configuration key, that uses it.
  ///
  /// - Parameter path: the run's directory.
  func use(ofRunAt path: String) -> String {
    let run = path.shellWord
    return switch task {
    case .diffusion(let section):
      "samples: oboro sample --checkpoint \(run)\(conditions(of: section)) --output DIR"
    case .control(let section):
      "samples: oboro sample --checkpoint \(run)\(conditions(of: section.diffusion)) --control IMAGE --output DIR"
    case .autoencoder: "latents: oboro encode --autoencoder \(run) --dataset DIR --output DIR"
    case .contrastive: "conditioning.text_encoder: \(path) embeds captions with it"
    }
  }

  /// The options of `oboro sample` without which the model draws nothing.
  private func conditions(of section: TaskSettings.DiffusionSection) -> String {
    (section.fields == nil ? "" : " --conditions \(dataset.path.shellWord)")
      + (section.text == nil ? "" : " --prompt TEXT")
  }
}
