import Kernels

/// A value computed by a forward pass: float32, channels last, contiguous.
public struct Tensor {
  public let shape: [Int]
  public let storage: Storage
  /// Unowned: a tensor never outlives its tape, and the tape keeps what the backward pass needs of it.
  public unowned let tape: Tape
  let target: GradientTarget
  /// The parameter's name, if this tensor views a parameter.
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

  /// The number of pixels of images [B, H, W, C] or tokens of [B, N, C]: the product of the dimensions between batch
  /// and channels.
  var pixels: Int { shape.dropFirst().dropLast().reduce(1, *) }
  var batch: Int { shape[0] }
  var channels: Int { shape[shape.count - 1] }
}

/// The destination of a tensor's gradient.
enum GradientTarget: Hashable {
  /// No gradient: an input.
  case none
  /// A slot of the tape.
  case slot(Int)
  /// The flat gradient memory of a parameter set, at this location.
  case parameter(ParameterPlace)
}
