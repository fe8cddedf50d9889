import Foundation
import Kernels
import Testing

@Suite struct MemoryExhaustionTests {
  /// In a process of its own, as the limit on memory is the whole process's.
  @Test func anAllocationThatTheSystemRefusesEndsTheProcessWithTheReason() async throws {
    let result = try await #require(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
      guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { exit(2) }
      _ = FloatMemory.allocate(2 << 30)
    }
    let message = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(message.contains("oboro: out of memory: the system refused 8590 MB"), "\(message)")
  }
}
