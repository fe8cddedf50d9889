import COpenBLAS
import CProcessor
import Dispatch
import Foundation
import Synchronization

/// The threads of a rank: parallel loops over independent tasks, with scratch memory for each worker.
///
/// Tasks depend on shapes alone, never on the number of threads, and no two tasks write the same memory. So the number
/// of threads affects speed, but not results.
///
/// One thread (the one that created the pool) starts loops. It takes part as worker 0, and does not wait for threads
/// that have not begun: a thread that arrives when all tasks are taken finds the loop closed. Between loops the other
/// threads spin for some tens of microseconds, since the next loop of a training step usually follows within that time,
/// and then sleep. If threads outnumber cores they do not spin, since that would slow down the working threads.
public final class ThreadPool {
  /// The number of threads that work on a loop, including the one that starts it.
  public let threadCount: Int

  private let workers: WorkerGroup
  private let shared: Scratch
  /// Whether loops do nothing.
  private let isIdle: Bool

  /// The number of cores that this process is bound to, the default of `threadCount`.
  public static var availableCores: Int {
    let bound = Int(oboro_bound_cores())
    return bound > 0 ? bound : ProcessInfo.processInfo.activeProcessorCount
  }

  /// A pool whose loops do nothing: kernels return at once and leave memory unchanged. For results that depend on
  /// shapes alone.
  public static var idle: ThreadPool { ThreadPool(threadCount: 1, isIdle: true) }

  public convenience init(threadCount: Int = ThreadPool.availableCores) {
    self.init(threadCount: threadCount, isIdle: false)
  }

  private init(threadCount: Int, isIdle: Bool) {
    precondition(threadCount >= 1, "a pool needs at least one thread, not \(threadCount)")
    self.threadCount = threadCount
    self.isIdle = isIdle
    shared = Scratch(isSparse: isIdle)
    // OpenBLAS runs inside our tasks: its own threads would compete with ours and perform badly on small products.
    openblas_set_num_threads(1)
    let workers = WorkerGroup(threadCount: threadCount)
    self.workers = workers
    for worker in 1..<max(threadCount, 1) {
      Thread.detachNewThread {
        // Foundation does not pass on a name set before the thread runs; the system's limit is 15 characters.
        oboro_name_thread("oboro-\(worker)")
        workers.work(as: worker)
      }
    }
  }

  deinit { workers.stop() }

  /// Runs `body` for every task in `0..<count` on all threads, and returns when all are done.
  ///
  /// `body` must not start a loop itself. Each thread begins with a contiguous share of the tasks, and then helps the
  /// others.
  public func parallel(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    if isIdle { return }
    workers.run(count, body)
  }

  /// Splits `0..<count` into pieces of `size` (the last may be shorter) and runs `body` on each.
  public func parallelPieces(_ count: Int, of size: Int, _ body: (_ piece: Range<Int>, _ worker: Int) -> Void)
  {
    precondition(size > 0, "pieces of \(size)")
    if isIdle { return }
    workers.run((count + size - 1) / size) { task, worker in
      body(task * size..<min((task + 1) * size, count), worker)
    }
  }

  /// Uninitialised memory for `count` floats, 64-byte aligned, for the running task of `worker`. Later calls for the
  /// same worker return the same memory.
  public func scratch(_ count: Int, worker: Int) -> UnsafeMutablePointer<Float> {
    workers.scratch[worker].floats(count)
  }

  /// Uninitialised memory for `count` floats, 64-byte aligned, shared by the tasks of one operation. The next call
  /// returns the same memory, so an operation calls this once, before its loops.
  public func workspace(_ count: Int) -> UnsafeMutablePointer<Float> { shared.floats(count) }
}

/// The state shared by the threads of a pool.
///
/// `@unchecked Sendable`: the loop's fields are written while its gate is closed and no worker is inside, and read by
/// workers that have entered; a worker's scratch is accessed by that worker alone.
private final class WorkerGroup: @unchecked Sendable {
  let threadCount: Int
  let scratch: [Scratch]

  private let gate = Atomic<Int>(0)
  /// Padding: idle workers poll the gate while tasks are taken, so the two must not share a cache line.
  private let apart = SIMD64<UInt8>()
  private let shares: TaskShares
  /// The number of sleeping workers that have not been woken yet.
  private let sleepers = Atomic<Int>(0)
  private let wakeUp = DispatchSemaphore(value: 0)
  private let stopping = Atomic<Bool>(false)
  private let spinLimit: Int
  private var isInLoop = false
  private var body: ((_ task: Int, _ worker: Int) -> Void)?

  /// The number of times that a thread polls for work before it sleeps; a poll takes some 20 to 40 ns.
  private static let usualSpinLimit = 2000

  /// The fields of the gate's state: the number of workers inside, whether it is open, and the number of loops so far.
  private enum Gate {
    static let worker = 1
    static let open = 1 << 20
    static let loop = 1 << 21

    static func isOpen(_ gate: Int) -> Bool { gate & open != 0 }
    static func loop(_ gate: Int) -> Int { gate >> 21 }
    static func workers(_ gate: Int) -> Int { gate & (open - 1) }
  }

  init(threadCount: Int) {
    precondition(threadCount < Gate.open, "\(threadCount) threads are more than can be counted")
    self.threadCount = threadCount
    shares = TaskShares(workers: threadCount)
    scratch = (0..<threadCount).map { _ in Scratch(isSparse: false) }
    spinLimit = threadCount > ThreadPool.availableCores ? 1 : Self.usualSpinLimit
  }

  func run(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    // Also where it would work, with one thread or one task: it must fail for all thread counts or for none.
    precondition(!isInLoop, "a task of a parallel loop cannot start another loop")
    isInLoop = true
    defer { isInLoop = false }
    if threadCount == 1 || count <= 1 {
      for task in 0..<max(count, 0) { body(task, 0) }
      return
    }
    withoutActuallyEscaping(body) { body in
      self.body = body
      shares.deal(count)
      gate.add(Gate.loop + Gate.open, ordering: .sequentiallyConsistent)
      wakeSome()
      runTasks(worker: 0)
      gate.subtract(Gate.open, ordering: .relaxed)
      var looks = 0
      while Gate.workers(gate.load(ordering: .acquiring)) > 0 {
        looks += 1
        if looks < spinLimit { oboro_spin_pause() } else { sched_yield() }
      }
      self.body = nil
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    gate.add(Gate.loop, ordering: .sequentiallyConsistent)
    while wakeOne() {}
  }

  func work(as worker: Int) {
    var seen = 0
    while true {
      seen = waitForWork(after: seen)
      if stopping.load(ordering: .acquiring) { return }
      guard enter(seen) else { continue }
      // The thread that starts a loop wakes a few workers, and these wake a few more as long as there is work: many
      // threads start quickly, but few for short loops.
      if shares.hasOwn(worker) { wakeSome() }
      runTasks(worker: worker)
      gate.subtract(Gate.worker, ordering: .releasing)
    }
  }

  /// Enters the loop with this number; returns whether it was still open.
  private func enter(_ loop: Int) -> Bool {
    var now = gate.load(ordering: .relaxed)
    while Gate.isOpen(now) && Gate.loop(now) == loop {
      let (entered, found) = gate.weakCompareExchange(
        expected: now, desired: now + Gate.worker, successOrdering: .acquiring, failureOrdering: .relaxed)
      if entered { return true }
      now = found
    }
    return false
  }

  private func runTasks(worker: Int) {
    if let body { shares.run(as: worker, body) }
  }

  /// Waits for a loop after number `seen`, and returns its number.
  private func waitForWork(after seen: Int) -> Int {
    while true {
      for _ in 0..<spinLimit {
        let now = Gate.loop(gate.load(ordering: .acquiring))
        if now != seen { return now }
        oboro_spin_pause()
      }
      // Announce first, then check again: the thread that increments the loop number will see the sleeper.
      sleepers.add(1, ordering: .sequentiallyConsistent)
      let now = Gate.loop(gate.load(ordering: .sequentiallyConsistent))
      // A worker that has been woken already consumes its signal, so that there are never more signals than sleepers.
      if now != seen && takeSleeper() { return now }
      wakeUp.wait()
    }
  }

  private func wakeSome() {
    if wakeOne() { _ = wakeOne() }
  }

  /// Wakes a sleeping worker; returns whether there was one.
  private func wakeOne() -> Bool {
    guard takeSleeper() else { return false }
    wakeUp.signal()
    return true
  }

  /// Decrements the number of sleepers, unless it is 0.
  private func takeSleeper() -> Bool {
    var now = sleepers.load(ordering: .sequentiallyConsistent)
    while now > 0 {
      let (taken, found) = sleepers.weakCompareExchange(
        expected: now, desired: now - 1, ordering: .sequentiallyConsistent)
      if taken { return true }
      now = found
    }
    return false
  }
}
