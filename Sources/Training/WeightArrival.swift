import DataParallel
import Reporting
import Tensors

/// Weights that other ranks have updated and send: the forward pass waits for each where it uses it, and buckets travel
/// on while it computes.
///
/// For one thread.
package final class WeightArrival {
  private let exchange: GradientExchange
  /// The trained set, whose weights travel; those of frozen sets are there.
  private let set: ParameterSetIdentity
  /// Where the weights lie in the order in which the first forward pass has used them: in which they are sent.
  private var uses: [Range<Int>]? = []
  /// What went wrong during the forward pass, which cannot fail.
  private var failure: (any Error)?
  /// Is told when gradients cannot be computed further, for weights that other ranks have yet to send: true when that
  /// begins, false when it ends.
  var onAwaited: (Bool) -> Void = { _ in }
  /// Runs what consists of waiting for other ranks.
  var waiting: (_ name: String, _ body: () throws -> Void) throws -> Void = { try $1() }

  init(_ exchange: GradientExchange, set: ParameterSetIdentity) {
    self.exchange = exchange
    self.set = set
  }

  /// Lets buckets travel, and waits until the weights of `parameter` are there.
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

  /// Waits until all are there; throws what went wrong since the last time.
  ///
  /// - Throws: `MPIError`.
  func finish() throws {
    defer { failure = nil }
    if let failure { throw failure }
    try wait(for: 0..<exchange.plan.count)
  }

  /// Sends weights in the order in which the first forward pass has used them, from now on.
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
