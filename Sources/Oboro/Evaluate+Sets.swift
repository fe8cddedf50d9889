import ArgumentParser
import Evaluation
import Foundation
import Kernels
import MPI
import Reporting
import Settings
import Tensors

extension Evaluate {
  /// Computes the features of both sets, each rank its part, and compares them on rank 0. Collective.
  func compare(
    _ generated: String, _ reference: String, on communicator: Communicator, _ engine: Engine
  ) throws {
    let console = Console()
    let isFirst = communicator.rank == 0
    let (given, extractor) = try communicator.agree { try open([generated, reference]) }
    let sets = try given.enumerated().map { index, set in
      try set ?? draw([generated, reference][index], beside: given[1 - index], on: communicator, engine)
    }
    var found: [FeatureSet] = []
    for (label, set) in zip(["generated", "reference"], sets) {
      let share = set.share(of: communicator)
      let bar = isFirst && share > 0 ? ProgressBar(label, total: share, console: console) : nil
      let features = try set.features(extractor, on: communicator, pool: engine.threads) { bar?.update($0) }
      bar?.finish()
      if let features { found.append(features) }
    }
    try communicator.agree {
      guard isFirst else { return }
      let rows = SetMetrics.rows(generated: found[0].count, reference: found[1].count)
      let bar = ProgressBar("compare", total: rows, console: console)
      let metrics = try SetMetrics(generated: found[0], reference: found[1], pool: engine.threads) {
        bar.update($0)
      }
      bar.finish()
      for warning in metrics.warnings { console.print("oboro: warning: \(warning)") }
      let names = sets.map { $0.hasImages ? extractor.name : "as given" }
      try print(
        json ? report(metrics, found, names).indentedJSON : table(metrics, found, names), terminator: "")
    }
  }

  /// The sets at `paths`; nil for those that are to be drawn.
  private func open(_ paths: [String]) throws -> ([EvaluatedSet?], FeatureExtractor) {
    let sets = try paths.map { DrawnImages.areOf($0) ? nil : try EvaluatedSet($0) }
    if !sets.contains(where: { $0 == nil }) {
      if let option = ((count == nil ? [] : ["--count"]) + samplingOverrides.given).first {
        throw ValidationError("\(option) is of no use: neither set is a run, whose images are drawn")
      }
    }
    guard let features else {
      // What is drawn has the units of the other set.
      if let generated = sets[0], let reference = sets[1] {
        try EvaluatedSet.requireSameUnits(generated, reference)
      }
      return (sets, .pixels)
    }
    guard sets.contains(where: { $0?.hasImages ?? true }) else {
      throw ValidationError("--features is of no use: both sets are arrays of features already")
    }
    return (sets, .inception(try InceptionV3(features)))
  }

  /// Images of the model at `path`, to be compared with `other`. Collective.
  private func draw(
    _ path: String, beside other: EvaluatedSet?, on communicator: Communicator, _ engine: Engine
  ) throws -> EvaluatedSet {
    let console = Console()
    let isFirst = communicator.rank == 0
    let model = try TrainedModel.load(
      path, weights: weights, overrides: samplingOverrides.overrides, on: communicator
    ) {
      console.print("oboro: passed over: \($0)")
    }
    let decoder = try model.decoder(engine: engine, on: communicator)
    return try communicator.agree {
      var bar: ProgressBar?
      let images = try DrawnImages(
        model, decoder: decoder,
        count: count ?? min(Self.defaultCount, other?.imageCount ?? Self.defaultCount),
        type: other?.type ?? .uint8, seed: seed, rank: communicator.rank,
        of: communicator.size, engine: engine
      ) { done, total in
        if isFirst && bar == nil { bar = ProgressBar("draw", total: total, console: console) }
        bar?.update(done)
      }
      bar?.finish()
      return .images(images)
    }
  }

  private func report(_ metrics: SetMetrics, _ sets: [FeatureSet], _ names: [String]) -> SettingsNode {
    func describe(_ index: Int) -> SettingsNode {
      [
        "path": SettingsNode(sets[index].name), "images": SettingsNode(sets[index].count),
        "features": SettingsNode(names[index]), "width": SettingsNode(sets[index].width),
      ]
    }
    return [
      "generated": describe(0),
      "reference": describe(1),
      "fid": SettingsNode(metrics.fid),
      "kid": SettingsNode(metrics.kid.value),
      "kid_error": SettingsNode(metrics.kid.error),
      "precision": SettingsNode(metrics.precision),
      "recall": SettingsNode(metrics.recall),
      "density": SettingsNode(metrics.density),
      "coverage": SettingsNode(metrics.coverage),
      "warnings": SettingsNode(.list(metrics.warnings.map { SettingsNode($0) })),
    ]
  }

  private func table(_ metrics: SetMetrics, _ sets: [FeatureSet], _ names: [String]) -> String {
    var described = TextTable(["set", "path", "features", "images", "width"], textColumns: 3)
    for (index, label) in ["generated", "reference"].enumerated() {
      described.add([
        label, sets[index].name, names[index], "\(sets[index].count)", "\(sets[index].width)",
      ])
    }
    func digits(_ value: Double) -> String { String(format: "%.6g", value) }
    var values = TextTable(["metric", "value", "error", "better"])
    values.add(["fid", digits(metrics.fid), "", "lower"])
    values.add(["kid", digits(metrics.kid.value), digits(metrics.kid.error), "lower"])
    values.add(["precision (k = \(SetMetrics.precisionNeighbours))", digits(metrics.precision), "", "higher"])
    values.add(["recall (k = \(SetMetrics.precisionNeighbours))", digits(metrics.recall), "", "higher"])
    values.add(["density (k = \(SetMetrics.densityNeighbours))", digits(metrics.density), "", "higher"])
    values.add(["coverage (k = \(SetMetrics.densityNeighbours))", digits(metrics.coverage), "", "higher"])
    return described.text + "\n" + values.text
  }
}
