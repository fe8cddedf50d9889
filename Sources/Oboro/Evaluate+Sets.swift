import ArgumentParser
import Evaluation
import Foundation
import Kernels
import MPI
import Reporting
import Settings
import Tensors

extension Evaluate {
  /// Computes the features of the sets, each rank those of its part, and compares them on rank 0. Collective.
  ///
  /// - Parameter reference: nil computes only CLIP scores.
  func compare(
    _ generated: String, _ reference: String?, on communicator: Communicator, _ engine: Engine
  ) throws {
    let paths = [generated] + [reference].compactMap { $0 }
    let (given, extractor) = try communicator.agree { try open(paths) }
    let sets = try given.enumerated().map { index, set in
      try set
        ?? draw(
          paths[index], beside: paths.count > 1 ? 1 - index : nil, paths, given, on: communicator, engine)
    }
    var results = EvaluationResults(
      sets: zip(paths, sets).map { .init(path: $0, images: $1.imageCount ?? 0) })
    let problem = try communicator.agree { try clip == nil ? nil : pixelProblem(sets, extractor, engine) }
    if let problem { results.notes.append("FID and all else that compares features is left out: \(problem)") }
    if paths.count > 1, problem == nil {
      let found = try features(of: sets, extractor, on: communicator, engine)
      try communicator.agree {
        guard let found else { return }
        results.sets = zip(sets, found).map { set, features in
          .init(
            path: features.name, images: features.count,
            features: set.hasImages ? extractor.name : "as given",
            width: features.width)
        }
        results.metrics = try metrics(found, engine)
      }
    }
    if let clip { results.clip = try scores(clip, sets, on: communicator, engine) }
    try communicator.agree {
      guard communicator.rank == 0 else { return }
      for warning in results.warnings { Console().print("oboro: warning: \(warning)") }
      try print(json ? results.node.indentedJSON : results.table, terminator: "")
    }
  }

  /// The reason why the pixels of two sets cannot be compared; nil if they can, or need not be.
  private func pixelProblem(
    _ sets: [EvaluatedSet], _ extractor: FeatureExtractor, _ engine: Engine
  ) throws -> String? {
    guard sets.count > 1, case .pixels = extractor else { return nil }
    do {
      let shapes = try sets.compactMap { try $0.commonShape(pool: engine.threads) }
      guard let first = shapes.first, let other = shapes.first(where: { $0 != first }) else { return nil }
      return "the pictures of one set have \(first), those of the other \(other); --features takes any size"
    } catch let error as EvaluationError {
      return "\(error)"
    }
  }

  /// The features of each set on rank 0, nil elsewhere. Collective.
  func features(
    of sets: [EvaluatedSet], _ extractor: FeatureExtractor, on communicator: Communicator, _ engine: Engine
  ) throws -> [FeatureSet]? {
    var found: [FeatureSet] = []
    for (label, set) in zip(["generated", "reference"], sets) {
      let share = set.share(of: communicator)
      let bar =
        communicator.rank == 0 && share > 0 ? ProgressBar(label, total: share, console: Console()) : nil
      let features = try set.features(extractor, on: communicator, pool: engine.threads) { bar?.update($0) }
      bar?.finish()
      if let features { found.append(features) }
    }
    return communicator.rank == 0 ? found : nil
  }

  private func metrics(_ found: [FeatureSet], _ engine: Engine) throws -> SetMetrics {
    let rows = SetMetrics.rows(generated: found[0].count, reference: found[1].count)
    let bar = ProgressBar("compare", total: rows, console: Console())
    let metrics = try SetMetrics(generated: found[0], reference: found[1], pool: engine.threads) {
      bar.update($0)
    }
    bar.finish()
    return metrics
  }

  /// The sets at `paths`; nil for those that must be drawn.
  private func open(_ paths: [String]) throws -> ([EvaluatedSet?], FeatureExtractor) {
    let sets = try paths.map { DrawnImages.areOf($0) ? nil : try EvaluatedSet($0) }
    if !sets.contains(where: { $0 == nil }) {
      if let option = ((count == nil ? [] : ["--count"]) + samplingOverrides.given).first {
        throw ValidationError("\(option) is of no use: neither set is a run, whose images are drawn")
      }
    }
    guard let features else {
      // Drawn images take the units of the other set.
      if sets.count > 1, let generated = sets[0], let reference = sets[1] {
        try EvaluatedSet.requireSameUnits(generated, reference)
      }
      return (sets, .pixels)
    }
    guard sets.contains(where: { $0?.hasImages ?? true }) else {
      throw ValidationError("--features is of no use: both sets are arrays of features already")
    }
    return (sets, .inception(try InceptionV3(features)))
  }

  /// Images of the model at `path`, to be compared with the set at index `other`. Collective.
  private func draw(
    _ path: String, beside other: Int?, _ paths: [String], _ sets: [EvaluatedSet?],
    on communicator: Communicator, _ engine: Engine
  ) throws -> EvaluatedSet {
    let console = Console()
    let isFirst = communicator.rank == 0
    let otherSet = other.flatMap { sets[$0] }
    let captions = try communicator.agree {
      try self.captions.map { try DatasetCaptions($0) }
        ?? other.flatMap { try DatasetCaptions(ifAnyIn: paths[$0]) }
    }
    let count =
      self.count ?? min(Self.defaultCount, otherSet?.imageCount ?? captions?.count ?? Self.defaultCount)
    let model = try SampledModel.load(
      path, weights: weights, overrides: samplingOverrides.overrides,
      prompts: .ifRead {
        guard let captions else {
          throw ValidationError(
            "the model of \(path) draws what a text says, and the other set has no captions: name a dataset with --captions"
          )
        }
        return try captions.texts(count)
      }, engine: engine, on: communicator
    ) {
      console.print("oboro: passed over: \($0)")
    }
    for note in model.notes { console.print("oboro: \(note)") }
    return try communicator.agree {
      if self.captions != nil, model.prompts == nil {
        throw ValidationError("--captions is of no use: the model of \(path) reads no texts")
      }
      var bar: ProgressBar?
      let images = try DrawnImages(
        model, path: path, count: count, type: otherSet?.type ?? .uint8, seed: seed, rank: communicator.rank,
        of: communicator.size, engine: engine
      ) { done, total in
        if isFirst && bar == nil { bar = ProgressBar("draw", total: total, console: console) }
        bar?.update(done)
      }
      bar?.finish()
      return .images(images)
    }
  }
}
