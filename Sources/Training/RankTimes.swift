import Logging

/// Where a rank's time went in a step, in seconds.
package struct RankTimes: Sendable, Equatable {
  package var computing: Double
  package var dataWait: Double
  /// For other ranks' gradients and weights.
  package var communicationWait: Double

  package init(computing: Double, dataWait: Double, communicationWait: Double) {
    self.computing = computing
    self.dataWait = dataWait
    self.communicationWait = communicationWait
  }

  /// As ranks send it to each other.
  var numbers: [Double] { [computing, dataWait, communicationWait] }

  init(numbers: ArraySlice<Double>) {
    let first = numbers.startIndex
    self.init(
      computing: numbers[first], dataWait: numbers[first + 1], communicationWait: numbers[first + 2])
  }

  /// What others have to wait for.
  fileprivate var busy: Double { computing + dataWait }

  fileprivate static func += (sum: inout RankTimes, times: RankTimes) {
    sum.computing += times.computing
    sum.dataWait += times.dataWait
    sum.communicationWait += times.communicationWait
  }
}

/// Looks for a rank that keeps the others waiting.
package struct StragglerDetector {
  private let share: Double
  private let hosts: [String]
  private var sums: [RankTimes] = []
  private var steps = 0
  private var seconds = 0.0
  /// Fewer steps say little: now one rank is held up, now another.
  private static let leastSteps = 10
  /// Who was named last; nobody is named twice in a row.
  private var named: Int?

  /// - Parameters:
  ///   - share: the part of the time that a rank may cost unnamed.
  ///   - hosts: the name of each rank's host.
  package init(share: Double, hosts: [String]) {
    self.share = share
    self.hosts = hosts
  }

  /// Adds a step.
  ///
  /// - Parameters:
  ///   - times: of all ranks.
  ///   - isDue: whether to judge the steps since the last judgement, if there are enough.
  /// - Returns: which rank costs more time than it may, and why.
  package mutating func add(_ times: [RankTimes], stepSeconds: Double, isDue: Bool) -> Logger.Metadata? {
    if sums.isEmpty { sums = times } else { for rank in sums.indices { sums[rank] += times[rank] } }
    steps += 1
    seconds += stepSeconds
    guard isDue && steps >= Self.leastSteps else { return nil }
    defer { (sums, steps, seconds) = ([], 0, 0) }
    return judge()
  }

  private mutating func judge() -> Logger.Metadata? {
    guard sums.count > 1, seconds > 0,
      let slowest = sums.indices.max(by: { sums[$0].busy < sums[$1].busy })
    else { return nil }
    // Without it, a step would take as long as most ranks need.
    let others = sums.indices.filter { $0 != slowest }.map { sums[$0].busy }.sorted()
    let usual = others[others.count / 2]
    let cost = (sums[slowest].busy - usual) / seconds
    guard cost > share else {
      named = nil
      return nil
    }
    guard named != slowest else { return nil }
    named = slowest
    func milliseconds(_ sum: Double) -> Logger.MetadataValue {
      "\(Int((1e3 * sum / Double(steps)).rounded()))"
    }
    return [
      "rank": "\(slowest)", "host": "\(hosts[slowest])", "costs": "\(Int((100 * cost).rounded()))%",
      "computing_ms": milliseconds(sums[slowest].computing),
      "data_wait_ms": milliseconds(sums[slowest].dataWait), "others_ms": milliseconds(usual),
    ]
  }
}
