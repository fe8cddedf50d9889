import Kernels
import MPI
import Tensors

/// The sum of every rank's gradients, the same bits on all ranks.
public final class GradientAllReduce {
  private let communicator: Communicator
  private let received: FlatMemory
  private let threads: ThreadPool

  /// - Parameter count: floats of the gradients.
  public init(communicator: Communicator, count: Int, threads: ThreadPool) {
    self.communicator = communicator
    self.threads = threads
    received = FlatMemory(count: communicator.size > 1 ? count : 0)
  }

  /// Replaces `gradients` by their sum over all ranks. Collective.
  ///
  /// With a power of two of ranks by recursive doubling: at distance 1, 2, 4, ... a rank adds its partner's sum to its
  /// own. A sum of two does not depend on which comes first, so this is the upper part of the slices' tree. Other
  /// world sizes are summed on rank 0 in rank order; that is another tree than one rank's.
  /// - Throws: `MPIError`.
  public func callAsFunction(_ gradients: FlatMemory) throws {
    let (rank, size) = (communicator.rank, communicator.size)
    guard size > 1 else { return }
    if size & (size - 1) == 0 {
      var distance = 1
      while distance < size {
        try communicator.sendReceive(
          UnsafeBufferPointer(gradients.elements), to: rank ^ distance, into: received.elements,
          from: rank ^ distance)
        addReceived(to: gradients)
        distance *= 2
      }
    } else {
      if rank == 0 {
        for source in 1..<size {
          try communicator.receive(into: received.elements, from: source)
          addReceived(to: gradients)
        }
      } else {
        try communicator.send(UnsafeBufferPointer(gradients.elements), to: 0)
      }
      try communicator.broadcast(gradients.elements, root: 0)
    }
  }

  private func addReceived(to gradients: FlatMemory) {
    Elementwise.add(
      gradients.pointer, received.pointer, output: gradients.pointer, count: gradients.count, pool: threads)
  }
}
