/// Parameters with their own optimiser.
public struct OptimizerGroup: Sendable {
  /// Their range in the flat parameter buffer.
  public let range: Range<Int>
  public let settings: OptimizerSettings
  /// Number of steps of the run before the optimiser's first; until then the parameters stay unchanged.
  public let start: Int

  public init(_ settings: OptimizerSettings, range: Range<Int>, start: Int = 0) {
    self.range = range
    self.settings = settings
    self.start = start
  }
}

extension TrainingConfiguration {
  /// The optimisers of all trained parameters, consecutive in the flat parameter buffer.
  public var optimizerGroups: [OptimizerGroup] {
    let end = trainedParameters.flatCount
    guard let adversary = task.adversary, let discriminatorOptimizer else {
      return [OptimizerGroup(optimizer, range: 0..<end)]
    }
    let border = model.parameters.flatCount
    return [
      OptimizerGroup(optimizer, range: 0..<border),
      OptimizerGroup(discriminatorOptimizer, range: border..<end, start: adversary.start),
    ]
  }
}
