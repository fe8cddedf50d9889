import ArgumentParser
import Configuration
import Datasets
import Evaluation
import Foundation
import MPI
import Reporting
import Settings
import Tensors

extension Evaluate {
  /// Evaluates the model at `checkpoint` on `dataset`, each rank on its part. Collective.
  func measure(_ checkpoint: String, _ dataset: String, on communicator: Communicator, _ engine: Engine)
    throws
  {
    let console = Console()
    let model = try TrainedModel.load(checkpoint, weights: weights, on: communicator) {
      console.print("oboro: passed over: \($0)")
    }
    if case .autoencoder(let autoencoder) = model.configuration.model {
      return try measure(autoencoder, model, dataset, on: communicator, engine)
    }
    let section = try communicator.agree { try model.configuration.requireDiffusion() }
    try measure(section, model, checkpoint, dataset, on: communicator, engine)
  }

  private func measure(
    _ section: TaskSettings.DiffusionSection, _ model: TrainedModel, _ checkpoint: String, _ dataset: String,
    on communicator: Communicator, _ engine: Engine
  ) throws {
    let evaluation = try communicator.agree {
      let most = DenoiserEvaluation.mostTimesteps(of: section.process)
      if let timesteps, timesteps > most {
        throw ValidationError("--timesteps must be at most the \(most) of the model, is \(timesteps)")
      }
      let samples = try ShardedDataset(directory: dataset)
      if let encoding = samples.manifest.encoding {
        try model.manifest.latents?.require(
          encoding.autoencoderDigest, of: encoding.autoencoder, for: checkpoint)
      }
      return try DenoiserEvaluation(
        model: section.model, weights: model.weights, process: section.process, dataset: samples,
        scaling: model.manifest.latents?.scaling, count: count ?? Self.defaultCount,
        timesteps: timesteps, seed: seed)
    }
    let share = evaluation.passes(rank: communicator.rank, of: communicator.size)
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

  private func report(_ scores: DenoiserScores, _ model: TrainedModel, _ dataset: String) -> SettingsNode {
    func list(_ values: [Double]) -> SettingsNode { SettingsNode(.list(values.map { SettingsNode($0) })) }
    return [
      "checkpoint": [
        "path": SettingsNode(model.path), "step": SettingsNode(model.manifest.step),
        "weights": SettingsNode(weights),
      ],
      "dataset": ["path": SettingsNode(dataset), "images": SettingsNode(scores.images)],
      "bits_per_dimension": scores.bound.map { SettingsNode($0.total) } ?? nil,
      "bits_per_dimension_by_timestep": scores.bound.map { list($0.terms) } ?? nil,
      "bits_per_dimension_prior": scores.bound.map { SettingsNode($0.prior) } ?? nil,
      "loss": SettingsNode(scores.meanLoss),
      "loss_by_timestep": list(scores.losses),
      "timesteps": SettingsNode(
        .list(
          scores.timesteps.map {
            SettingsNode(.scalar(SettingsScalar(text: DenoiserScores.text(of: $0), isQuoted: false)))
          })),
    ]
  }

  /// The maximum number of rows of the timestep table.
  private static let rows = 20

  /// The reason why a model has no bits per dimension.
  private func withoutBound(_ model: TrainedModel) -> String {
    guard case .diffusion(let section) = model.configuration.task, section.process.kind != .ddpm else {
      return "images are floating-point numbers"
    }
    return "the time of the process \(section.process.kind.rawValue) is continuous"
  }

  private func table(_ scores: DenoiserScores, _ model: TrainedModel, _ dataset: String) -> String {
    func digits(_ value: Double) -> String { String(format: "%.6g", value) }
    var values = TextTable(["measure", "value"])
    values.add(["step of the checkpoint", "\(model.manifest.step)"])
    values.add(["images of \(dataset)", "\(scores.images)"])
    values.add([
      "bits per dimension",
      scores.bound.map { digits($0.total) } ?? "none: \(withoutBound(model))",
    ])
    values.add(["loss", digits(scores.meanLoss)])
    var steps = TextTable(["timestep", "loss"] + (scores.bound == nil ? [] : ["bits per dimension"]))
    let count = scores.timesteps.count
    let rows = min(count, Self.rows)
    for row in 0..<rows {
      let step = rows == 1 ? 0 : row * (count - 1) / (rows - 1)
      steps.add(
        [DenoiserScores.text(of: scores.timesteps[step]), digits(scores.losses[step])]
          + (scores.bound.map { [digits($0.terms[step])] } ?? []))
    }
    return values.text + "\n" + steps.text
  }
}
