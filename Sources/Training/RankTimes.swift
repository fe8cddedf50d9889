import Logging

/// How a rank spent its time in a step, in seconds.
package struct RankTimes: Sendable, Equatable {
  package var computing: Double
  package var dataWait: Double
  /// Waiting for other ranks' gradients and weights.
  package var communicationWait: Double

  package init(computing: Double, dataWait: Double, communicationWait: Double) {
    self.computing = computing
    self.dataWait = dataWait
    self.communicationWait = communicationWait
  }

  /// Encoded for exchange between ranks.
  var numbers: [Double] { [computing, dataWait, communicationWait] }

  init(numbers: ArraySlice<Double>) {
    let first = numbers.startIndex
    self.init(
      computing: numbers[first], dataWait: numbers[first + 1], communicationWait: numbers[first + 2])
  }

  /// The time for which other ranks may have to wait.
  fileprivate var busy: Double { computing + dataWait }

  fileprivate static func += (sum: inout RankTimes, times: RankTimes) {
    sum.computing += times.computing
    sum.dataWait += times.dataWait
    sum.communicationWait += times.communicationWait
  }
}

/// Detects a rank that slows the others down.
package struct StragglerDetector {
  private let share: Double
  private let hosts: [String]
  private var sums: [RankTimes] = []
  private var steps = 0
  private var seconds = 0.0
  /// With fewer steps the result is noise: a different rank is delayed each time.
  private static let leastSteps = 10
  /// The rank reported last; the same rank is not reported twice in a row.
  private var named: Int?

  /// - Parameters:
  ///   - share: fraction of the time that a rank may cost without being reported.
  ///   - hosts: host name of each rank.
  package init(share: Double, hosts: [String]) {
    self.share = share
    self.hosts = hosts
  }

  /// Adds a step.
  ///
  /// - Parameters:
  ///   - times: the times of all ranks.
  ///   - isDue: whether to evaluate the steps since the last evaluation, if there are enough.
  /// - Returns: the rank that costs more time than allowed, and why.
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
    // Without this rank, a step would take as long as most ranks need.
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
