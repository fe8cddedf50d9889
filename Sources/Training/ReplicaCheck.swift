/// Compares the weights of all ranks, which should be the same bits: memory that forgets, a network that errs or a
/// processor of another kind would otherwise spoil a run without a sign.
struct ReplicaCheck {
  /// The name of each rank's host.
  let hosts: [String]

  /// The ranks that differ from most; if there is no majority, from rank 0.
  static func outsiders(_ digests: [UInt64]) -> [Int] {
    let votes = Dictionary(grouping: digests, by: { $0 }).mapValues(\.count)
    let most = votes.values.max() ?? 0
    // The first of those that have most votes.
    guard let accepted = digests.first(where: { votes[$0] == most }) else { return [] }
    return digests.indices.filter { digests[$0] != accepted }
  }

  /// - Parameters:
  ///   - digests: of each rank's weights.
  ///   - step: the step whose gradients were computed with them.
  /// - Throws: `ReplicaError` naming the ranks that differ.
  func callAsFunction(_ digests: [UInt64], step: Int) throws {
    let outsiders = Self.outsiders(digests)
    guard !outsiders.isEmpty else { return }
    let names = outsiders.map { "rank \($0) on \(hosts[$0])" }.joined(separator: ", ")
    throw ReplicaError(
      "step \(step): the weights on \(names) differ from those of the other ranks, and all should be the same. "
        + "No checkpoint was written from them: the same command goes on from the last one. If it happens again, "
        + "look at that host's memory, network and processor, or leave it out")
  }
}

/// Ranks, or a run and its checkpoint, that do not belong together.
public struct ReplicaError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
