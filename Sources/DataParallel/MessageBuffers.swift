import Kernels
import MPI
import Tensors

/// The format in which gradients are sent between ranks. Sums are computed in float32.
public enum GradientCompression: String, CaseIterable, Sendable {
  /// Uncompressed float32.
  case none
  /// Rounded to bfloat16 before each exchange: half the bytes, but the sums depend on the number of ranks.
  case bf16
}

/// The send and receive buffers of a bucket's reduction, in the format of its messages.
final class MessageBuffers {
  private let communicator: Communicator
  /// Whether sends are copied into a buffer that the next exchange reuses.
  let copies: Bool
  /// Allocated on first use: ranks that read each other's memory need no buffers.
  private lazy var form = makeForm()
  private let makeForm: () -> Form
  /// The number of messages in the last exchange, and the length of each in floats.
  private var (messages, length) = (0, 0)

  private enum Form {
    case float32(arrivals: ParameterBuffer)
    /// Two 16-bit values stored in the space of each float.
    case bf16(arrivals: ParameterBuffer, departures: ParameterBuffer)
  }

  /// Sized for `stages`, one exchange at a time.
  init(
    for stages: some Sequence<BucketPlan.Stage>, _ compression: GradientCompression,
    communicator: Communicator
  ) {
    self.communicator = communicator
    let received = stages.map { $0.kept.count * $0.partners.count }.max() ?? 0
    let sent = stages.map { $0.partners.reduce(0) { $0 + $1.range.count } }.max() ?? 0
    copies = compression != .none
    makeForm = {
      switch compression {
      case .none: .float32(arrivals: ParameterBuffer(count: received))
      case .bf16:
        .bf16(
          arrivals: ParameterBuffer(count: (received + 1) / 2),
          departures: ParameterBuffer(count: (sent + 1) / 2))
      }
    }
  }

  /// Starts receiving `count` floats from each of `sources`.
  func receive(_ count: Int, from sources: [Int], tag: Int) throws -> [Request] {
    (messages, length) = (sources.count, count)
    return try sources.enumerated().map { place, source in
      switch form {
      case .float32(let arrivals):
        try communicator.immediateReceive(
          into: UnsafeMutableBufferPointer(start: arrivals.pointer + place * count, count: count),
          from: source, tag: tag)
      case .bf16(let arrivals, _):
        try communicator.immediateReceive(
          into: UnsafeMutableBufferPointer(start: arrivals.halves + place * count, count: count),
          from: source, tag: tag)
      }
    }
  }

  /// Starts sending each rank its floats.
  func send(_ parts: [(rank: Int, floats: UnsafeBufferPointer<Float>)], tag: Int, _ threads: ThreadPool)
    throws
    -> [Request]
  {
    var written = 0
    return try parts.map { rank, floats in
      switch form {
      case .float32: return try communicator.immediateSend(floats, to: rank, tag: tag)
      case .bf16(_, let departures):
        let rounded = UnsafeMutableBufferPointer(start: departures.halves + written, count: floats.count)
        written += floats.count
        if let (from, to) = floats.baseAddress.flatMap({ from in rounded.baseAddress.map { (from, $0) } }) {
          BFloat16.round(from, to: to, count: floats.count, pool: threads)
        }
        return try communicator.immediateSend(UnsafeBufferPointer(rounded), to: rank, tag: tag)
      }
    }
  }

  /// Adds the data received from all sources to `sum`, in the order of the sources.
  func addReceived(to sum: UnsafeMutablePointer<Float>, count: Int, _ threads: ThreadPool) {
    precondition(count == length, "\(length) floats were received, not \(count)")
    for message in 0..<messages {
      switch form {
      case .float32(let arrivals):
        Elementwise.add(
          sum, arrivals.pointer + message * count, output: sum, count: count, pool: threads)
      case .bf16(let arrivals, _):
        BFloat16.add(arrivals.halves + message * count, to: sum, count: count, pool: threads)
      }
    }
  }
}

extension ParameterBuffer {
  /// The memory viewed as twice as many 16-bit values.
  fileprivate var halves: UnsafeMutablePointer<UInt16> {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: UInt16.self)
  }
}
