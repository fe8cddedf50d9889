import Dispatch
import Kernels

/// What passes compute and where their time goes: filled by the tapes that it is given to, and by whoever measures
/// what lies between their operations. On one thread.
public final class Profile {
  /// What an operation does at least: multiplications and additions by its formula, and bytes if every tensor that it
  /// reads or writes went through memory once.
  public struct Cost: Hashable, Sendable {
    public var flops: Int
    public var bytes: Int
  }

  /// An operation on a tape.
  public struct Operation: Sendable {
    /// The file that it is written in, such as `Convolution`.
    public let name: String
    /// PyTorch's name of the module that has its parameters, such as `downs.0.0.block1.proj`; "" if it has none.
    public let layer: String
    public let shape: (any KernelShape)?
    public let forward: Cost
    public let backward: Cost
  }

  public enum Kind: String, Sendable {
    case forward
    /// What the backward pass computes again; its arithmetic is not counted twice.
    case recomputation
    case backward
    /// What the backward pass has left to the update, and that.
    case update
    /// Of a step, but no operation.
    case phase
    /// What consists of others.
    case group
    /// A message under way, while the thread does something else.
    case transfer
  }

  /// Something that took time.
  public struct Event: Sendable {
    public let name: String
    public let layer: String
    public let kind: Kind
    public let cost: Cost
    /// 0 for what the measured thread does; others for what goes on beside it, at most one at a time in each.
    public let lane: Int
    /// In nanoseconds of the machine's clock.
    public let start: UInt64
    public let end: UInt64

    public var seconds: Double { Double(end - start) * 1e-9 }
  }

  /// In the order in which they ended.
  public private(set) var events: [Event] = []
  /// In the order of the forward pass.
  public private(set) var operations: [Operation] = []
  /// When it was made, in nanoseconds of the machine's clock.
  public let start = Profile.now
  /// The operation that the backward pass is at, and what it leaves to the update.
  private var current: (operation: Operation, deferredFlops: Int)?
  private var started: (inputs: [Tensor], time: UInt64) = ([], 0)

  public init() {}

  /// Adds what `body` takes.
  public func measure<T>(_ name: String, _ kind: Kind, _ body: () throws -> T) rethrows -> T {
    let start = Self.now
    defer { add(name, kind: kind, start: start) }
    return try body()
  }

  /// The arithmetic of all operations, forward and backward, by their events.
  public var flops: Int { events.reduce(0) { $0 + $1.cost.flops } }

  /// The time on the machine's clock, in nanoseconds.
  public static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

  /// Adds what began at `start` and ends now.
  public func add(_ name: String, kind: Kind, start: UInt64) {
    add(name, kind: kind, lane: 0, start: start, end: Self.now)
  }

  /// Adds what has lasted from `start` to `end`, on the machine's clock.
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

  /// An operation on `inputs` begins.
  func begin(_ inputs: [Tensor]) { started = (inputs, Self.now) }

  /// The operation that began last has its `output`.
  ///
  /// - Parameter isRepeated: whether it had it before.
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

  /// The way back of an operation.
  func measureBackward(_ operation: Operation, _ body: () -> Void) {
    let start = Self.now
    current = (operation, 0)
    body()
    var cost = operation.backward
    cost.flops -= current?.deferredFlops ?? 0
    current = nil
    add(operation.name, layer: operation.layer, kind: .backward, cost: cost, start: start)
  }

  /// What the operation that the backward pass is at leaves to the update.
  struct DeferredOperation {
    fileprivate let operation: Operation
    fileprivate let cost: Cost
  }

  /// The operation that the backward pass is at leaves that much to the update.
  func deferring(_ cost: Cost) -> DeferredOperation? {
    guard let operation = current?.operation else { return nil }
    current?.deferredFlops += cost.flops
    return DeferredOperation(operation: operation, cost: cost)
  }

  /// Adds what was deferred, when it is made up for.
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

  /// The module that holds all of these parameters.
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
  /// Adds what `body` takes, if there is something to add to.
  public func measure<T>(_ name: String, _ kind: Profile.Kind, _ body: () throws -> T) rethrows -> T {
    guard let self else { return try body() }
    return try self.measure(name, kind, body)
  }
}

/// The arithmetic of an operation.
struct Work {
  let shape: any KernelShape
  let backwardFlops: Int

  /// - Parameter factors: whether each factor of the products gets a gradient, which takes as many products again.
  init(_ shape: any KernelShape, gradients factors: Bool...) {
    self.shape = shape
    backwardFlops = shape.flops * factors.count { $0 }
  }
}
