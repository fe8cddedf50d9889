import Dispatch
import Kernels

/// Records what passes compute and how long it takes. Events come from the tapes that share the profile, and from
/// callers that measure the phases between operations. Not thread-safe.
public final class Profile {
  /// The minimal cost of an operation: the multiplications and additions of its formula, and the bytes moved if every
  /// tensor that it reads or writes passes through memory once.
  public struct Cost: Hashable, Sendable {
    public var flops: Int
    public var bytes: Int
  }

  /// An operation on a tape.
  public struct Operation: Sendable {
    /// The name of its source file, such as `Convolution`.
    public let name: String
    /// PyTorch's name of the module that holds its parameters, such as `downs.0.0.block1.proj`; "" if it has none.
    public let layer: String
    public let shape: (any KernelShape)?
    public let forward: Cost
    public let backward: Cost
  }

  public enum Kind: String, Sendable {
    case forward
    /// A forward operation that the backward pass recomputes; its arithmetic is not counted again.
    case recomputation
    case backward
    /// The update, including the gradients that the backward pass has deferred to it.
    case update
    /// A phase of a training step that is not an operation.
    case phase
    /// A group of other events.
    case group
    /// A message in flight while the thread does other work.
    case transfer
  }

  /// A timed event.
  public struct Event: Sendable {
    public let name: String
    public let layer: String
    public let kind: Kind
    public let cost: Cost
    /// 0 for the measured thread; other lanes hold concurrent activities, at most one at a time in each.
    public let lane: Int
    /// In nanoseconds of the machine's clock.
    public let start: UInt64
    public let end: UInt64

    public var seconds: Double { Double(end - start) * 1e-9 }
  }

  /// The events in the order in which they ended.
  public private(set) var events: [Event] = []
  /// The operations in the order of the forward pass.
  public private(set) var operations: [Operation] = []
  /// The time of the profile's creation, in nanoseconds of the machine's clock.
  public let start = Profile.now
  /// The operation whose backward step is running, and the arithmetic that it has deferred to the update.
  private var current: (operation: Operation, deferredFlops: Int)?
  private var started: (inputs: [Tensor], time: UInt64) = ([], 0)

  public init() {}

  /// Runs `body` and adds an event for it.
  public func measure<T>(_ name: String, _ kind: Kind, _ body: () throws -> T) rethrows -> T {
    let start = Self.now
    defer { add(name, kind: kind, start: start) }
    return try body()
  }

  /// The total arithmetic of all events, forward and backward.
  public var flops: Int { events.reduce(0) { $0 + $1.cost.flops } }

  /// The time on the machine's clock, in nanoseconds.
  public static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

  /// Adds an event that began at `start` and ends now.
  public func add(_ name: String, kind: Kind, start: UInt64) {
    add(name, kind: kind, lane: 0, start: start, end: Self.now)
  }

  /// Adds an event that lasted from `start` to `end` on the machine's clock.
  public func add(_ name: String, kind: Kind, lane: Int, start: UInt64, end: UInt64) {
    events.append(
      Event(
        name: name, layer: "", kind: kind, cost: Cost(flops: 0, bytes: 0), lane: lane, start: start, end: end)
    )
  }

  private func add(
    _ name: String, layer: String = "", kind: Kind, cost: Cost, start: UInt64
  ) {
    events.append(
      Event(name: name, layer: layer, kind: kind, cost: cost, lane: 0, start: start, end: Self.now))
  }

  // MARK: For tapes

  /// Marks the start of an operation on `inputs`.
  func begin(_ inputs: [Tensor]) { started = (inputs, Self.now) }

  /// Marks the end of the operation that began last, with its `output`.
  ///
  /// - Parameter isRepeated: whether this is a recomputation.
  func end(_ output: Tensor, work: Work?, file: StaticString, isRepeated: Bool) -> Operation {
    let inputs = started.inputs
    started.inputs = []
    let inputCount = inputs.reduce(0) { $0 + $1.count }
    let gradientCount = inputs.reduce(0) { $0 + ($1.needsGradient ? $1.count : 0) }
    let size = MemoryLayout<Float>.size
    let operation = Operation(
      name: Self.name(file), layer: Self.module(of: inputs.compactMap(\.parameterName)), shape: work?.shape,
      forward: Cost(flops: work?.shape.flops ?? 0, bytes: size * (inputCount + output.count)),
      backward: Cost(
        flops: work?.backwardFlops ?? 0,
        bytes: output.needsGradient ? size * (output.count + inputCount + gradientCount) : 0))
    if isRepeated {
      let cost = Cost(flops: 0, bytes: operation.forward.bytes)
      add(operation.name, layer: operation.layer, kind: .recomputation, cost: cost, start: started.time)
    } else {
      operations.append(operation)
      add(
        operation.name, layer: operation.layer, kind: .forward, cost: operation.forward, start: started.time)
    }
    return operation
  }

  /// Measures the backward step of an operation.
  func measureBackward(_ operation: Operation, _ body: () -> Void) {
    let start = Self.now
    current = (operation, 0)
    body()
    var cost = operation.backward
    cost.flops -= current?.deferredFlops ?? 0
    current = nil
    add(operation.name, layer: operation.layer, kind: .backward, cost: cost, start: start)
  }

  /// Work that the backward step of an operation has deferred to the update.
  struct DeferredOperation {
    fileprivate let operation: Operation
    fileprivate let cost: Cost
  }

  /// Moves `cost` from the running backward step to the update.
  func deferring(_ cost: Cost) -> DeferredOperation? {
    guard let operation = current?.operation else { return nil }
    current?.deferredFlops += cost.flops
    return DeferredOperation(operation: operation, cost: cost)
  }

  /// Measures deferred work when it is carried out.
  func measure<T>(_ deferred: DeferredOperation, _ body: () -> T) -> T {
    let start = Self.now
    defer {
      add(
        deferred.operation.name, layer: deferred.operation.layer, kind: .update, cost: deferred.cost,
        start: start)
    }
    return body()
  }

  /// `Convolution` for `Tensors/Convolution.swift`.
  private static func name(_ file: StaticString) -> String {
    let name = "\(file)".split(separator: "/").last ?? ""
    return String(name.prefix { $0 != "." })
  }

  /// The innermost module that contains all of these parameters.
  package static func module(of parameters: [String]) -> String {
    let paths = parameters.map { $0.split(separator: ".").dropLast() }
    guard let first = paths.first else { return "" }
    let common = paths.dropFirst().reduce(first) { common, path in
      common.prefix(zip(common, path).prefix { $0 == $1 }.count)
    }
    return common.joined(separator: ".")
  }
}

extension Profile? {
  /// Runs `body`, and adds an event for it if there is a profile.
  public func measure<T>(_ name: String, _ kind: Profile.Kind, _ body: () throws -> T) rethrows -> T {
    guard let self else { return try body() }
    return try self.measure(name, kind, body)
  }
}

/// The arithmetic of an operation.
struct Work {
  let shape: any KernelShape
  let backwardFlops: Int

  /// - Parameter factors: for each factor of the products, whether it gets a gradient, which takes as many products
  ///   again.
  init(_ shape: any KernelShape, gradients factors: Bool...) {
    self.shape = shape
    backwardFlops = shape.flops * factors.count { $0 }
  }
}
