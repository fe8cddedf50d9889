import FailureDetection
import TestSupport
import Testing

@Suite struct ChordalRingTests {
  @Test(arguments: [1, 2, 3, 7, 12, 13, 14, 15, 16, 17, 20, 33, 64, 100, 1000, 4096, 100_003])
  func linksAreFewAndMutual(size: Int) {
    let ring = ChordalRing(worldSize: size)
    let degree = min(size - 1, ChordalRing.maximumDegree)
    for rank in stride(from: 0, to: size, by: max(1, size / 50)) {
      let neighbours = ring.neighbours(of: rank)
      #expect(neighbours.count == degree && !neighbours.contains(rank))
      for other in neighbours {
        #expect(ring.neighbours(of: other).contains(rank))
        #expect(ring.hasLink(rank, other) && ring.hasLink(other, rank))
      }
    }
    #expect(size < 100 || !ring.hasLink(0, 2 * size / 5))
  }

  /// Ranks that can be reached from the lowest that is not lost, and in how many hops.
  private func reach(_ ring: ChordalRing, without lost: Set<Int>) -> (count: Int, hops: Int) {
    var distances = Array(repeating: -1, count: ring.worldSize)
    guard let first = (0..<ring.worldSize).first(where: { !lost.contains($0) }) else { return (0, 0) }
    distances[first] = 0
    var queue = [first]
    var next = 0
    while next < queue.count {
      let rank = queue[next]
      next += 1
      for other in ring.neighbours(of: rank) where distances[other] < 0 && !lost.contains(other) {
        distances[other] = distances[rank] + 1
        queue.append(other)
      }
    }
    return (queue.count, distances.max() ?? 0)
  }

  @Test func allAreReachedInFewHops() {
    #expect(reach(ChordalRing(worldSize: 4096), without: []) == (4096, 9))
    #expect(reach(ChordalRing(worldSize: 64), without: []).hops <= 6)
  }

  /// Eight that follow each other, all but four neighbours of one, whole hosts, and eleven anywhere.
  @Test(arguments: [14, 64, 257, 4096]) func nobodyIsCutOff(size: Int) {
    let ring = ChordalRing(worldSize: size)
    var generator = SeededGenerator(seed: 5)
    var losses = [Set((0..<8).map { ($0 + size - 4) % size }), Set(ring.neighbours(of: size / 2).prefix(11))]
    if size == 4096 { losses += [Set(640..<704), Set(1000..<1256)] }
    for _ in 0..<20 { losses.append(Set((0..<11).map { _ in Int.random(in: 0..<size, using: &generator) })) }
    for lost in losses {
      let (count, hops) = reach(ring, without: lost)
      #expect(count == size - lost.count && hops <= 14, "\(lost)")
    }
  }
}
