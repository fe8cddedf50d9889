import DataParallel
import Testing

@Suite struct MicrobatchAssignmentTests {
  @Test(arguments: [(128, 8), (24, 24), (96, 12), (1, 1)]) func sharesCoverTheBatch(
    batchSize: Int, microbatches: Int
  ) throws {
    for worldSize in 1...microbatches where microbatches % worldSize == 0 {
      let shares = try (0..<worldSize).map {
        try MicrobatchAssignment(
          batchSize: batchSize, microbatches: microbatches, rank: $0, worldSize: worldSize)
      }
      #expect(shares.flatMap { Array($0.own) } == Array(0..<microbatches))
      #expect(shares.flatMap { Array($0.ownSamples) } == Array(0..<batchSize))
      for share in shares {
        #expect(share.microbatchSize == batchSize / microbatches)
        #expect(share.own.flatMap { Array(share.samples(of: $0)) } == Array(share.ownSamples))
        #expect(share.own.allSatisfy { share.samples(of: $0).count == share.microbatchSize })
        #expect(share.isExact == [1, 2, 4, 8, 16, 32].contains(worldSize))
      }
    }
  }

  /// A micro-batch's samples are the same on whichever rank it is computed.
  @Test func microbatchesDoNotDependOnTheWorld() throws {
    let one = try MicrobatchAssignment(batchSize: 48, microbatches: 12, rank: 0, worldSize: 1)
    for worldSize in [2, 3, 4, 6, 12] {
      for rank in 0..<worldSize {
        let share = try MicrobatchAssignment(
          batchSize: 48, microbatches: 12, rank: rank, worldSize: worldSize)
        #expect(share.own.allSatisfy { share.samples(of: $0) == one.samples(of: $0) })
      }
    }
  }

  @Test func errorsSayWhatWouldDo() throws {
    let batch = try #require(throws: MicrobatchError.self) {
      try MicrobatchAssignment(batchSize: 130, microbatches: 8, rank: 0, worldSize: 1)
    }
    #expect(batch == .batch(batchSize: 130, microbatches: 8))
    #expect(
      batch.description
        == "training.batch_size: 130 images cannot be cut into 8 equal micro-batches (training.microbatches); batch sizes near it "
        + "that can: 128, 136")
    let small = try #require(throws: MicrobatchError.self) {
      try MicrobatchAssignment(batchSize: 3, microbatches: 8, rank: 0, worldSize: 1)
    }
    #expect(small.description.hasSuffix("that can: 8"))
    let world = try #require(throws: MicrobatchError.self) {
      try MicrobatchAssignment(batchSize: 120, microbatches: 12, rank: 0, worldSize: 5)
    }
    #expect(world == .worldSize(5, microbatches: 12))
    #expect(
      world.description
        == "12 micro-batches (training.microbatches) cannot be dealt evenly to 5 ranks; world sizes that would do: 1, 2, 3, 4, 6, "
        + "12; or set training.microbatches to a multiple of 5")
  }
}
