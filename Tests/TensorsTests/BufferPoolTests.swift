import Tensors
import TestSupport
import Testing

/// Where the memory of tensors comes from.
@Suite struct BufferPoolTests {
  /// Blocks of random sizes, taken and given back in a random order.
  @Test func blocksNeverOverlapAndJoinAgain() throws {
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1000)
    defer { memory.deallocate() }
    var free = FreeBlocks()
    // Two blocks that touch are one.
    free.give(UnsafeMutableBufferPointer(rebasing: memory[400...]))
    free.give(UnsafeMutableBufferPointer(rebasing: memory[..<400]))
    #expect(free.sizes == [1000])
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<100 {
      var taken: [UnsafeMutableBufferPointer<Float>] = []
      memory.update(repeating: 0)
      for number in 1...60 {
        let isGiving = !taken.isEmpty && Int.random(in: 0..<3, using: &generator) == 0
        if isGiving {
          let block = taken.remove(at: Int.random(in: taken.indices, using: &generator))
          #expect(block.allSatisfy { $0 == block[0] && $0 > 0 })
          block.update(repeating: 0)
          free.give(block)
        } else {
          let size = Int.random(in: 1...200, using: &generator)
          let isThere = free.sizes.contains { $0 >= size }
          let block = free.take(size)
          #expect((block != nil) == isThere)
          guard let block else { continue }
          #expect(block.count == size && block.allSatisfy { $0 == 0 })
          block.update(repeating: Float(number))
          taken.append(block)
        }
        #expect(free.sizes.reduce(0, +) + taken.reduce(0) { $0 + $1.count } == 1000)
      }
      for block in taken { free.give(block) }
      #expect(free.sizes == [1000])
    }
  }

  @Test func theSmallestBlockIsTaken() {
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 100)
    defer { memory.deallocate() }
    var free = FreeBlocks()
    for range in [0..<40, 50..<60, 70..<100] {
      free.give(UnsafeMutableBufferPointer(rebasing: memory[range]))
    }
    #expect(free.take(41) == nil)
    #expect(free.take(25)?.baseAddress == memory.baseAddress! + 70)
    #expect(free.take(10)?.baseAddress == memory.baseAddress! + 50)
    #expect(free.sizes == [40, 5])
  }

  /// What a large tensor leaves serves several small ones.
  @Test func memoryIsUsedAgain() {
    let engine = Engine(threadCount: 1)
    withExtendedLifetime(engine.storage(3 << 20)) {}
    let memory = engine.bufferMemory
    let small = (0..<24).map { _ in engine.storage(1 << 17) }
    #expect(engine.bufferMemory == memory)
    #expect(engine.buffersInUse == small.count)
  }

  @Test func tensorsOfAllSizesAreAligned() {
    let engine = Engine(threadCount: 1)
    let storages = [1, 100, 1024, 5000, 3 << 20].map(engine.storage)
    #expect(storages.allSatisfy { UInt(bitPattern: $0.pointer) % 64 == 0 })
  }
}
