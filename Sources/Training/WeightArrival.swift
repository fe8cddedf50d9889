import DataParallel
import Reporting
import Tensors

/// Weights that other ranks have updated and are sending: the forward pass waits for each weight where it is used, and
/// transfers progress while it computes.
///
/// Not thread-safe.
package final class WeightArrival {
  private let exchange: GradientExchange
  /// The trained set, whose weights are exchanged; frozen sets are always complete.
  private let set: ParameterSetIdentity
  /// The ranges of weights in the order in which the first forward pass used them; they are sent in this order.
  private var uses: [Range<Int>]? = []
  /// An error during the forward pass, which cannot throw.
  private var failure: (any Error)?
  /// Called with true when computation stalls on weights that other ranks have yet to send, and with false when it
  /// continues.
  var onAwaited: (Bool) -> Void = { _ in }
  /// Wraps code that consists of waiting for other ranks.
  var waiting: (_ name: String, _ body: () throws -> Void) throws -> Void = { try $1() }

  init(_ exchange: GradientExchange, set: ParameterSetIdentity) {
    self.exchange = exchange
    self.set = set
  }

  /// Advances transfers, and waits until the weights of `parameter` have arrived.
  func use(_ parameter: Parameter) {
    guard failure == nil, parameter.set == set else { return }
    do {
      try exchange.advance()
      let range = parameter.offset..<parameter.offset + parameter.count
      uses?.append(range)
      guard !exchange.isGathered(range) else { return }
      try wait(for: range)
    } catch { failure = error }
  }

  /// Waits until all weights have arrived; throws any error since the last call.
  ///
  /// - Throws: `MPIError`.
  func finish() throws {
    defer { failure = nil }
    if let failure { throw failure }
    try wait(for: 0..<exchange.plan.count)
  }

  /// From now on, sends weights in the order in which the first forward pass used them; false if the order is already
  /// known.
  func learnOrder() -> Bool {
    guard let uses else { return false }
    exchange.gather(inOrderOf: uses)
    self.uses = nil
    return true
  }

  private func wait(for range: Range<Int>) throws {
    let isWaiting = !exchange.isGathered(range)
    if isWaiting { onAwaited(true) }
    defer { if isWaiting { onAwaited(false) } }
    try waiting("all-gather") { try exchange.waitUntilGathered(range) }
  }
}
