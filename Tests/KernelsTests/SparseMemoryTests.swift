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
}
