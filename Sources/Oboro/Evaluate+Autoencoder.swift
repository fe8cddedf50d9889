import ArgumentParser
import Datasets
import Evaluation
import Foundation
import MPI
import Models
import Reporting
import Settings
import Tensors

extension Evaluate {
  /// Evaluates an autoencoder on `dataset`, each rank on its part. Collective.
  func measure(
    _ autoencoder: AutoencoderKL, _ model: TrainedModel, _ dataset: String, on communicator: Communicator,
    _ engine: Engine
  ) throws {
    let evaluation = try communicator.agree {
      if timesteps != nil { throw ValidationError("--timesteps is for denoisers: an autoencoder has none") }
      return try AutoencoderEvaluation(
        model: autoencoder, weights: model.weights, dataset: ShardedDataset(directory: dataset),
        count: count ?? Self.defaultCount)
    }
    let share = evaluation.images(rank: communicator.rank, of: communicator.size)
    let bar =
      communicator.rank == 0 && share > 0 ? ProgressBar("evaluate", total: share, console: Console()) : nil
    let scores = try evaluation.scores(engine: engine, on: communicator) { bar?.update($0) }
    bar?.finish()
    try communicator.agree {
      guard let scores else { return }
      try print(
        json ? report(scores, model, dataset).indentedJSON : table(scores, model, dataset), terminator: "")
    }
  }

  private func report(_ scores: AutoencoderScores, _ model: TrainedModel, _ dataset: String) -> SettingsNode {
    [
      "checkpoint": [
        "path": SettingsNode(model.path), "step": SettingsNode(model.manifest.step),
        "weights": SettingsNode(weights),
      ],
      "dataset": ["path": SettingsNode(dataset), "images": SettingsNode(scores.images)],
      "psnr": SettingsNode(scores.peakSignalToNoise),
      "ssim": scores.structuralSimilarity.map { SettingsNode($0) } ?? nil,
      "kl": SettingsNode(scores.divergence),
      "kl_per_dimension": SettingsNode(scores.divergencePerDimension),
      "kl_by_channel": SettingsNode(.list(scores.divergences.map { SettingsNode($0) })),
    ]
  }

  private func table(_ scores: AutoencoderScores, _ model: TrainedModel, _ dataset: String) -> String {
    func digits(_ value: Double) -> String { String(format: "%.6g", value) }
    var table = TextTable(["measure", "value"])
    table.add(["step of the checkpoint", "\(model.manifest.step)"])
    table.add(["images of \(dataset)", "\(scores.images)"])
    table.add(["PSNR, dB", digits(scores.peakSignalToNoise)])
    table.add(["SSIM", scores.structuralSimilarity.map(digits) ?? "none: images of fewer than 11 pixels"])
    table.add(["KL of a latent, nats", digits(scores.divergence)])
    table.add(["KL of a latent's value, nats", digits(scores.divergencePerDimension)])
    return table.text
  }
}
