import Foundation
import Kernels
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
  /// Up to more than most machines have cores: then threads come late, or never.
  static let threadCounts = [1, 2, 3, 8, 64]

  /// How often each task ran; tasks of one loop may write their own place without a lock.
  private func runs(_ pool: ThreadPool, _ count: Int) -> [Int] {
    var runs = [Int](repeating: 0, count: count)
    runs.withUnsafeMutableBufferPointer { runs in
      pool.parallel(count) { task, _ in runs[task] += 1 }
    }
    return runs
  }

  @Test(arguments: threadCounts) func everyTaskRunsOnce(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    #expect(pool.threadCount == threads)
    for count in [0, 1, 2, 3, 7, 8, 9, 64, 1000, 10_007] {
      #expect(runs(pool, count).allSatisfy { $0 == 1 }, "\(count) tasks")
    }
  }

  @Test(arguments: threadCounts) func workersAreNumbered(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    let seen = Mutex(Set<Int>())
    pool.parallel(500) { _, worker in _ = seen.withLock { $0.insert(worker) } }
    #expect(seen.withLock { $0 }.isSubset(of: Set(0..<threads)))
  }

  @Test(arguments: threadCounts) func piecesCoverTheCount(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    for (count, size) in [(0, 4), (1, 4), (4, 4), (5, 4), (17, 5), (1000, 1), (3, 100)] {
      var pieces = [Range<Int>?](repeating: nil, count: (count + size - 1) / size)
      pieces.withUnsafeMutableBufferPointer { pieces in
        pool.parallelPieces(count, of: size) { piece, _ in pieces[piece.lowerBound / size] = piece }
      }
      let expected = stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
      #expect(pieces == expected, "\(count) in pieces of \(size)")
    }
  }

  /// Loops right after each other, so that workers are still about to leave the last one.
  @Test(arguments: threadCounts.dropFirst()) func loopsFollowEachOther(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    var sum = [Int](repeating: 0, count: 16)
    let rounds = 10_000 / threads
    sum.withUnsafeMutableBufferPointer { sum in
      for round in 0..<rounds { pool.parallel(1 + round % 16) { task, _ in sum[task] += 1 } }
    }
    #expect(sum == (0..<16).map { task in (0..<rounds).count { $0 % 16 >= task } })
  }

  /// What tasks wrote is there when the loop returns.
  @Test func resultsAreVisibleAfterTheLoop() {
    let pool = ThreadPool(threadCount: 3)
    var values = [Int](repeating: 0, count: 300)
    for round in 1...2000 {
      values.withUnsafeMutableBufferPointer { values in
        pool.parallel(300) { task, _ in values[task] += round }
      }
      guard values.allSatisfy({ $0 == values[0] }) else {
        Issue.record("round \(round): \(values)")
        return
      }
    }
    #expect(values[0] == 2000 * 2001 / 2)
  }

  /// Longer than the workers spin: they sleep, and must be woken, again and again.
  @Test(arguments: [2, 3, 64]) func sleepingWorkersWake(threads: Int) {
    let pool = ThreadPool(threadCount: threads)
    for _ in 0..<20 {
      usleep(5000)
      // Only when all threads take part does this end: each task waits for the others.
      let arrived = Atomic<Int>(0)
      let deadline = Date(timeIntervalSinceNow: 20)
      pool.parallel(threads) { _, _ in
        arrived.add(1, ordering: .relaxed)
        while arrived.load(ordering: .relaxed) < threads && Date() < deadline { usleep(50) }
      }
      #expect(arrived.load(ordering: .relaxed) == threads)
      guard Date() < deadline else { return }
    }
  }

  @Test func scratchBelongsToOneWorker() {
    let pool = ThreadPool(threadCount: 3)
    // All three at once, so that each worker has one of the tasks.
    let arrived = Atomic<Int>(0)
    let places = Mutex([Int: Set<UInt>]())
    for count in [1, 100, 5000] {
      arrived.store(0, ordering: .relaxed)
      pool.parallel(3) { task, worker in
        let memory = pool.scratch(count, worker: worker)
        memory.update(repeating: Float(task), count: count)
        arrived.add(1, ordering: .relaxed)
        while arrived.load(ordering: .relaxed) < 3 { usleep(50) }
        let isUntouched = (0..<count).allSatisfy { memory[$0] == Float(task) }
        let isSame = pool.scratch(count, worker: worker) == memory
        let address = UInt(bitPattern: memory)
        _ = places.withLock {
          $0[count, default: []].insert(isUntouched && isSame && address % 64 == 0 ? address : 0)
        }
      }
      #expect(places.withLock { $0[count, default: []] }.subtracting([0]).count == 3, "\(count) floats")
    }
  }

  /// The memory that an operation's tasks share is none of their own.
  @Test func workspaceIsApartFromScratch() {
    let pool = ThreadPool(threadCount: 1)
    let workspace = pool.workspace(100)
    workspace.update(repeating: 1, count: 100)
    pool.scratch(100, worker: 0).update(repeating: 2, count: 100)
    #expect((0..<100).allSatisfy { workspace[$0] == 1 })
    #expect(UInt(bitPattern: pool.workspace(100_000)) % 64 == 0)
  }

  /// The names of this process's threads.
  private func threadNames() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap {
      try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)
        .trimmingCharacters(in: .newlines)
    }
  }

  /// Waits until a thread has this name, or none has.
  private func waits(until isThere: Bool, _ name: String) throws -> Bool {
    let deadline = Date(timeIntervalSinceNow: 20)
    while Date() < deadline {
      if try threadNames().contains(name) == isThere { return true }
      usleep(2000)
    }
    return false
  }

  @Test func threadsEndWithThePool() throws {
    // More threads than any other pool of these tests has: the last one's name is this pool's alone.
    var pool: ThreadPool? = ThreadPool(threadCount: 65)
    pool?.parallel(1000) { _, _ in }
    // The loop waits for no thread that has not begun.
    #expect(try waits(until: true, "oboro-64"))
    pool = nil
    #expect(try waits(until: false, "oboro-64"))
  }

  @Test func poolsThatNeverWorkedEnd() throws {
    for _ in 0..<20 { _ = ThreadPool(threadCount: 66) }
    #expect(try waits(until: false, "oboro-65"))
  }

  /// A loop inside a loop is refused on every number of threads, not only where it would hang.
  @Test func loopsDoNotNest() async {
    await #expect(processExitsWith: .failure) {
      let pool = ThreadPool(threadCount: 1)
      pool.parallel(1) { _, _ in pool.parallel(1) { _, _ in } }
    }
    await #expect(processExitsWith: .failure) {
      let pool = ThreadPool(threadCount: 3)
      pool.parallel(4) { _, _ in pool.parallel(2) { _, _ in } }
    }
  }

  @Test func availableCoresAreThoseOfTheProcess() {
    #expect((1...ProcessInfo.processInfo.processorCount).contains(ThreadPool.availableCores))
  }
}
