/// Compares the weights of all ranks, which should be identical bit for bit: faulty memory, network errors or a
/// processor of a different type would otherwise corrupt a run silently.
struct ReplicaCheck {
  /// Host name of each rank.
  let hosts: [String]

  /// The ranks that differ from the majority or, if there is none, from rank 0.
  static func outsiders(_ digests: [UInt64]) -> [Int] {
    let votes = Dictionary(grouping: digests, by: { $0 }).mapValues(\.count)
    let most = votes.values.max() ?? 0
    // The first digest with the most votes.
    guard let accepted = digests.first(where: { votes[$0] == most }) else { return [] }
    return digests.indices.filter { digests[$0] != accepted }
  }

  /// - Parameters:
  ///   - digests: digest of each rank's weights.
  ///   - step: the step whose gradients were computed with those weights.
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

/// Ranks that are inconsistent with each other, or a checkpoint that is inconsistent with the run.
public struct ReplicaError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
