import Kernels

/// A value of a forward pass: float32, channels last, contiguous.
public struct Tensor {
  public let shape: [Int]
  public let storage: Storage
  /// Not kept alive: a tensor is used no longer than its tape, and the tape holds what backward needs of it.
  public unowned let tape: Tape
  let target: GradientTarget
  /// Of a parameter's values: its name.
  let parameterName: String?

  init(
    shape: [Int], storage: Storage, tape: Tape, target: GradientTarget, parameterName: String? = nil
  ) {
    precondition(
      storage.count == shape.reduce(1, *), "a tensor \(shape) does not have \(storage.count) elements")
    self.shape = shape
    self.storage = storage
    self.tape = tape
    self.target = target
    self.parameterName = parameterName
  }

  public var count: Int { storage.count }
  public var elements: UnsafeMutableBufferPointer<Float> { storage.elements }
  var pointer: UnsafeMutablePointer<Float> { storage.pointer }
  var needsGradient: Bool { target != .none }
  var threads: ThreadPool { tape.engine.threads }

  /// Height and width of images [B, H, W, C], the tokens of [B, N, C]: everything between batch and channels.
  var pixels: Int { shape.dropFirst().dropLast().reduce(1, *) }
  var batch: Int { shape[0] }
  var channels: Int { shape[shape.count - 1] }
}

/// Where a tensor's gradient goes.
enum GradientTarget: Hashable {
  /// Nowhere: an input.
  case none
  /// A slot of the tape.
  case slot(Int)
  /// The flat gradients of a set, from this place.
  case parameter(ParameterPlace)
}
