/// Parameters that an optimiser of their own moves.
public struct OptimizerGroup: Sendable {
  /// Where they lie in the flat memory.
  public let range: Range<Int>
  public let settings: OptimizerSettings
  /// Steps of the run before its first; until then they stay as they are.
  public let start: Int

  public init(_ settings: OptimizerSettings, range: Range<Int>, start: Int = 0) {
    self.range = range
    self.settings = settings
    self.start = start
  }
}

extension TrainingConfiguration {
  /// The optimisers of all parameters that training moves, one after the other in the flat memory.
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
