import Configuration
import Reporting

extension TrainingConfiguration {
  /// What a finished run is for: the command, or the configuration key, that uses it.
  ///
  /// - Parameter path: the run's directory.
  func use(ofRunAt path: String) -> String {
    let run = path.shellWord
    return switch model {
    case .denoiser: "samples: oboro sample --checkpoint \(run)\(conditions) --output DIR"
    case .control: "samples: oboro sample --checkpoint \(run)\(conditions) --control IMAGE --output DIR"
    case .autoencoder: "latents: oboro encode --autoencoder \(run) --dataset DIR --output DIR"
    case .contrastive: "conditioning.text_encoder: \(path) embeds captions with it"
    }
  }

  /// The options of `oboro sample` without which the model draws nothing.
  private var conditions: String {
    (task.diffusion?.fields == nil ? "" : " --conditions \(dataset.path.shellWord)")
      + (task.diffusion?.text == nil ? "" : " --prompt TEXT")
  }
}
