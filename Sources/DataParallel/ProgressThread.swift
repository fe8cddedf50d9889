import Foundation
import Kernels

/// The thread that advances transfers while another one computes. It sleeps most of the time, and always while nothing
/// is in flight.
///
/// `@unchecked Sendable`: `condition` guards all mutable state.
final class ProgressThread: @unchecked Sendable {
  private let condition = NSCondition()
  private var isWanted = false
  private var isEnding = false
  private var hasEnded = false

  /// Microseconds between two polls: shorter than the network takes to drain a socket's buffers.
  private static let pause = 500 as UInt32

  init(_ scheduler: TransferScheduler) {
    Thread.detachNewThread { [self] in
      // A pool of just this thread: the computing thread uses the others.
      let own = ThreadPool(threadCount: 1)
      while waitUntilWanted() {
        scheduler.advanceBeside(own)
        usleep(Self.pause)
      }
      condition.withLock {
        hasEnded = true
        condition.broadcast()
      }
    }
  }

  /// Sets whether transfers are in flight that no thread is waiting for.
  func set(isWanted: Bool) {
    condition.withLock {
      guard self.isWanted != isWanted else { return }
      self.isWanted = isWanted
      if isWanted { condition.broadcast() }
    }
  }

  /// Returns once the thread makes no more calls.
  func end() {
    condition.withLock {
      isEnding = true
      condition.broadcast()
      while !hasEnded { condition.wait() }
    }
  }

  /// Returns false when the thread must end.
  private func waitUntilWanted() -> Bool {
    condition.withLock {
      while !isWanted && !isEnding { condition.wait() }
      return !isEnding
    }
  }
}
