import Foundation
import Kernels
import Testing

@Suite struct SparseMemoryTests {
  @Test func memoryIsTakenWhereSomethingIsWritten() throws {
    let (page, pages) = (Int(getpagesize()), 10_000)
    let memory = try #require(SparseMemory(byteCount: pages * page))
    for number in [3, 4, 9_999] {
      memory.pointer.storeBytes(of: 7, toByteOffset: number * page, as: UInt8.self)
    }
    var states = [UInt8](repeating: 0, count: pages)
    try #require(mincore(memory.pointer, pages * page, &states) == 0)
    #expect(states.indices.filter { states[$0] & 1 == 1 } == [3, 4, 9_999])
    let bytes = UnsafeRawBufferPointer(start: memory.pointer, count: pages * page)
    #expect(bytes.reduce(0) { $0 + Int($1) } == 21)
  }

  @Test(arguments: [4096, 2_097_152, 9_000_000]) func nothingChangesInLargePages(byteCount: Int) throws {
    let memory = try #require(SparseMemory(byteCount: byteCount))
    let bytes = UnsafeMutableRawBufferPointer(start: memory.pointer, count: byteCount)
    for place in stride(from: 0, to: byteCount, by: 1000) { bytes[place] = UInt8(truncatingIfNeeded: place) }
    memory.enlargePages()
    #expect(bytes.indices.allSatisfy { bytes[$0] == ($0 % 1000 == 0 ? UInt8(truncatingIfNeeded: $0) : 0) })
    bytes[byteCount - 1] = 7
    #expect(bytes[byteCount - 1] == 7)
  }
}
