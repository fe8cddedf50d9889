import COpenBLAS
import CProcessor
import Dispatch
import Foundation
import Synchronization

/// The threads of one rank: a parallel loop over independent tasks, and scratch memory for each of its workers.
///
/// A task is chosen by shape alone, never by the number of threads, and writes what no other task writes. So the
/// threads decide how fast a result is there, not what it is.
///
/// One thread (the one that made the pool) starts loops; it works along, as worker 0, and waits for nobody who has not
/// begun: a thread that comes when all tasks are taken finds the loop closed. Between loops the others spin for some
/// tens of microseconds, since the next loop of a training step is usually that near, and then sleep. Where threads
/// outnumber the cores they do not spin: they would take the time of those that work.
public final class ThreadPool {
  /// Threads that work on a loop, with the one that starts it.
  public let threadCount: Int

  private let workers: WorkerGroup
  private let shared: Scratch
  /// Whether loops do nothing.
  private let isIdle: Bool

  /// The cores that this process is bound to: what `threadCount` is when nobody says otherwise.
  public static var availableCores: Int {
    let bound = Int(oboro_bound_cores())
    return bound > 0 ? bound : ProcessInfo.processInfo.activeProcessorCount
  }

  /// A pool whose loops do nothing: kernels return at once, and leave in memory what was there. For what follows from
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
    // OpenBLAS runs inside our tasks: its own threads would compete with ours and collapse on small products.
    openblas_set_num_threads(1)
    let workers = WorkerGroup(threadCount: threadCount)
    self.workers = workers
    for worker in 1..<max(threadCount, 1) {
      Thread.detachNewThread {
        // Foundation keeps a thread's name to itself until it runs; the system's holds 15 characters.
        oboro_name_thread("oboro-\(worker)")
        workers.work(as: worker)
      }
    }
  }

  deinit { workers.stop() }

  /// Runs `body` for every task in `0..<count`, on all threads, and returns when all are done.
  ///
  /// `body` must not start a loop itself. Each thread begins with its share of tasks that follow each other, and helps
  /// others when it has done these.
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

  /// Memory for `count` floats, 64-byte aligned, for the running task of `worker`; not cleared. A later call with
  /// the same worker gives the same memory again.
  public func scratch(_ count: Int, worker: Int) -> UnsafeMutablePointer<Float> {
    workers.scratch[worker].floats(count)
  }

  /// Memory for `count` floats that the tasks of one operation share, 64-byte aligned; not cleared. The next call
  /// gives the same memory again, so an operation asks once, before its loops.
  public func workspace(_ count: Int) -> UnsafeMutablePointer<Float> { shared.floats(count) }
}

/// What the threads of a pool share.
///
/// `@unchecked Sendable`: the loop's fields are written while its gate is closed and nobody is inside, and read by those
/// who have entered; the scratch of a worker is touched by that worker alone.
private final class WorkerGroup: @unchecked Sendable {
  let threadCount: Int
  let scratch: [Scratch]

  private let gate = Atomic<Int>(0)
  /// Others look at the gate in vain while tasks are taken: that must not be in the same line of the cache.
  private let apart = SIMD64<UInt8>()
  private let shares: TaskShares
  /// Workers that sleep and nobody has woken yet.
  private let sleepers = Atomic<Int>(0)
  private let wakeUp = DispatchSemaphore(value: 0)
  private let stopping = Atomic<Bool>(false)
  private let spinLimit: Int
  private var isInLoop = false
  private var body: ((_ task: Int, _ worker: Int) -> Void)?

  /// A thread looks for work this often before it sleeps; a look costs some 20 to 40 ns.
  private static let usualSpinLimit = 2000

  /// Of the gate's number: how many workers are inside; whether it is open; how many loops there were.
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
    // Also where it would work, on one thread or for one task: it must fail for all thread counts or for none.
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
      // Who starts a loop wakes a few, and these a few more, as long as there is something to do: so many threads come
      // soon, and few for short loops.
      if shares.hasOwn(worker) { wakeSome() }
      runTasks(worker: worker)
      gate.subtract(Gate.worker, ordering: .releasing)
    }
  }

  /// Whether the loop of this number was still open.
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

  /// Waits until there is a loop later than number `seen`, and returns its number.
  private func waitForWork(after seen: Int) -> Int {
    while true {
      for _ in 0..<spinLimit {
        let now = Gate.loop(gate.load(ordering: .acquiring))
        if now != seen { return now }
        oboro_spin_pause()
      }
      // Announce first, look again after: whoever raises the number then sees a sleeper.
      sleepers.add(1, ordering: .sequentiallyConsistent)
      let now = Gate.loop(gate.load(ordering: .sequentiallyConsistent))
      // One who has been woken already takes the signal, so that there are never more of them than sleepers.
      if now != seen && takeSleeper() { return now }
      wakeUp.wait()
    }
  }

  private func wakeSome() {
    if wakeOne() { _ = wakeOne() }
  }

  /// Whether there was somebody to wake.
  private func wakeOne() -> Bool {
    guard takeSleeper() else { return false }
    wakeUp.signal()
    return true
  }

  /// One sleeper fewer, if there is one.
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
