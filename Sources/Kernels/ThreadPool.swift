import COpenBLAS
import CProcessor
import Foundation
import Synchronization

/// The threads of one rank: a parallel loop over independent tasks, and scratch memory for each of its workers.
///
/// A task is chosen by shape alone, never by the number of threads, and writes what no other task writes. So the
/// threads decide how fast a result is there, not what it is.
///
/// One thread (the one that made the pool) starts loops; it works along, as worker 0. Between loops the others spin
/// for some tens of microseconds, since the next loop of a training step is usually that near, and then sleep.
public final class ThreadPool {
  /// Threads that work on a loop, with the one that starts it.
  public let threadCount: Int

  private let crew: Crew
  private let shared = Scratch()

  /// The cores that this process is bound to: what `threadCount` is when nobody says otherwise.
  public static var availableCores: Int {
    let bound = Int(oboro_bound_cores())
    return bound > 0 ? bound : ProcessInfo.processInfo.activeProcessorCount
  }

  public init(threadCount: Int = ThreadPool.availableCores) {
    precondition(threadCount >= 1, "a pool needs at least one thread, not \(threadCount)")
    self.threadCount = threadCount
    // OpenBLAS runs inside our tasks: its own threads would compete with ours and collapse on small products.
    openblas_set_num_threads(1)
    let crew = Crew(threadCount: threadCount)
    self.crew = crew
    for worker in 1..<max(threadCount, 1) {
      Thread.detachNewThread {
        // Foundation keeps a thread's name to itself until it runs; the system's holds 15 characters.
        oboro_name_thread("oboro-\(worker)")
        crew.work(as: worker)
      }
    }
  }

  deinit { crew.stop() }

  /// Runs `body` for every task in `0..<count`, on all threads, and returns when all are done.
  ///
  /// `body` must not start a loop itself. Tasks start in order, so put the long ones first.
  public func parallel(_ count: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
    crew.run(count, body)
  }

  /// Splits `0..<count` into pieces of `size` (the last may be shorter) and runs `body` on each.
  public func parallelPieces(_ count: Int, of size: Int, _ body: (_ piece: Range<Int>, _ worker: Int) -> Void)
  {
    precondition(size > 0, "pieces of \(size)")
    crew.run((count + size - 1) / size) { task, worker in
      body(task * size..<min((task + 1) * size, count), worker)
    }
  }

  /// Memory for `count` floats, 64-byte aligned, for the running task of `worker`; not cleared. A later call with
  /// the same worker gives the same memory again.
  public func scratch(_ count: Int, worker: Int) -> UnsafeMutablePointer<Float> {
    crew.scratch[worker].floats(count)
  }

  /// Memory for `count` floats that the tasks of one operation share, 64-byte aligned; not cleared. The next call
  /// gives the same memory again, so an operation asks once, before its loops.
  public func workspace(_ count: Int) -> UnsafeMutablePointer<Float> { shared.floats(count) }
}

/// What the threads of a pool share.
///
/// `@unchecked Sendable`: the job's fields are written before `generation` is raised and read after it was seen
/// raised; the scratch of a worker is touched by that worker alone.
private final class Crew: @unchecked Sendable {
  let threadCount: Int
  let scratch: [Scratch]

  private let generation = Atomic<Int>(0)
  private let nextTask = Atomic<Int>(0)
  private let unfinished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let wakeUp = NSCondition()
  private var taskCount = 0
  private var isInLoop = false
  private var body: ((_ task: Int, _ worker: Int) -> Void)?

  /// A thread looks for work this often before it sleeps; a look costs some 20 to 40 ns.
  private static let spinLimit = 2000

  init(threadCount: Int) {
    self.threadCount = threadCount
    scratch = (0..<threadCount).map { _ in Scratch() }
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
      taskCount = count
      nextTask.store(0, ordering: .relaxed)
      unfinished.store(threadCount - 1, ordering: .relaxed)
      generation.add(1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
      runTasks(worker: 0)
      var looks = 0
      while unfinished.load(ordering: .acquiring) > 0 {
        looks += 1
        if looks < Self.spinLimit { oboro_spin_pause() } else { sched_yield() }
      }
      self.body = nil
    }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    generation.add(1, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  func work(as worker: Int) {
    var seen = 0
    while true {
      seen = waitForWork(after: seen)
      if stopping.load(ordering: .acquiring) { return }
      runTasks(worker: worker)
      unfinished.subtract(1, ordering: .releasing)
    }
  }

  private func runTasks(worker: Int) {
    guard let body else { return }
    while true {
      let task = nextTask.add(1, ordering: .relaxed).oldValue
      guard task < taskCount else { return }
      body(task, worker)
    }
  }

  /// Waits until there is a loop later than number `seen`, and returns its number.
  private func waitForWork(after seen: Int) -> Int {
    for _ in 0..<Self.spinLimit {
      let now = generation.load(ordering: .acquiring)
      if now != seen { return now }
      oboro_spin_pause()
    }
    wakeUp.lock()
    defer { wakeUp.unlock() }
    // Announce first, look again after: whoever raises the number then sees a sleeper, and takes the lock.
    sleepers.add(1, ordering: .sequentiallyConsistent)
    defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let now = generation.load(ordering: .sequentiallyConsistent)
      if now != seen { return now }
      wakeUp.wait()
    }
  }

  private func wakeAll() {
    wakeUp.lock()
    wakeUp.broadcast()
    wakeUp.unlock()
  }
}

/// Memory that grows to what was asked of it most.
private final class Scratch {
  private var memory: UnsafeMutableBufferPointer<Float>?

  func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    if let memory, memory.count >= count, let base = memory.baseAddress { return base }
    memory?.deallocate()
    let grown = FloatMemory.allocate(count)
    memory = grown
    return grown.baseAddress!
  }

  deinit { memory?.deallocate() }
}
