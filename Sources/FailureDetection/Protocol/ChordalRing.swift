import Foundation

/// The overlay network of the failure detectors: a ring of all ranks with chords (a circulant graph).
///
/// Rank r has links to r ± d modulo W for six distances d that grow geometrically from 1 to W^(5/6): at most twelve
/// links, whatever W is. Up to 13 ranks are fully connected. A flooded frame reaches all ranks in about log W hops (10
/// for 4,096 ranks); and as the graph has no vertex cut of fewer than twelve nodes, any eleven ranks can fail, adjacent
/// or not, without disconnecting another one.
package struct ChordalRing: Equatable, Sendable {
  package static let maximumDegree = 12

  package let worldSize: Int
  /// Both d and -d are links.
  private let distances: [Int]

  package init(worldSize: Int) {
    precondition(worldSize > 0, "\(worldSize) ranks")
    self.worldSize = worldSize
    let count = Self.maximumDegree / 2
    guard worldSize > Self.maximumDegree + 1 else {
      distances = Array(1..<max(worldSize, 1))
      return
    }
    var last = 0
    distances = (0..<count).map { index in
      let wanted = Int(pow(Double(worldSize), Double(index) / Double(count)).rounded())
      // Below W / 2, so that d and -d are different ranks, and leaving room for the larger distances that follow.
      last = min(max(wanted, last + 1), (worldSize - 1) / 2 - (count - 1 - index))
      return last
    }
  }

  /// The ranks that `rank` is linked to, in ascending order.
  package func neighbours(of rank: Int) -> [Int] {
    precondition((0..<worldSize).contains(rank), "rank \(rank) of \(worldSize)")
    let all = distances.flatMap { [(rank + $0) % worldSize, (rank - $0 + worldSize) % worldSize] }
    return Set(all).sorted()
  }

  /// Whether the two ranks are linked.
  package func hasLink(_ a: Int, _ b: Int) -> Bool {
    let distance = (a - b + worldSize) % worldSize
    return distances.contains(distance) || distances.contains((worldSize - distance) % worldSize)
  }
}
