import Dispatch
import Foundation
import Synchronization

/// Whether someone has asked this process to stop: Ctrl-C, or what a batch system sends before it takes the machine.
///
/// Signals do nothing but count; the training loop looks at the count between two steps. A second Ctrl-C ends the
/// process at once, as if nobody had listened.
public final class StopRequest: Sendable {
  private let signals = Mutex<[Int32]>([])
  private let sources: [any DispatchSourceSignal & Sendable]

  /// The signals that ask for a stop: the terminal's, the system's, and the two that batch systems let one choose.
  public static let stopSignals = [SIGINT, SIGTERM, SIGUSR1, SIGUSR2]

  /// Listens until it is released.
  public init() {
    let queue = DispatchQueue(label: "oboro.signals")
    var sources: [any DispatchSourceSignal & Sendable] = []
    for number in Self.stopSignals {
      // A dispatch source sees signals that are ignored otherwise.
      signal(number, SIG_IGN)
      guard let source = DispatchSource.makeSignalSource(signal: number, queue: queue) as? DispatchSource
      else {
        continue
      }
      sources.append(source)
    }
    self.sources = sources
    for (number, source) in zip(Self.stopSignals, sources) {
      source.setEventHandler { [weak self] in self?.receive(number) }
      source.resume()
    }
  }

  deinit {
    for (number, source) in zip(Self.stopSignals, sources) {
      source.cancel()
      signal(number, SIG_DFL)
    }
  }

  /// The name of the signal that asked for a stop, if one did.
  public var reason: String? {
    signals.withLock { $0.first }.map { number in
      [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGUSR1: "SIGUSR1", SIGUSR2: "SIGUSR2"][number]
        ?? "signal \(number)"
    }
  }

  private func receive(_ number: Int32) {
    let isSecond = signals.withLock { signals in
      defer { signals.append(number) }
      return number == SIGINT && signals.contains(SIGINT)
    }
    if isSecond {
      signal(number, SIG_DFL)
      // Not `raise`, which is for the calling thread: this queue's threads hold signals back.
      kill(getpid(), number)
    }
  }
}
