/// A trained tensor: where it lies in the flat memory, and how files know it.
///
/// In memory weights are [taps, inputs, outputs], so that a convolution is a product of patches and weights. Files
/// have PyTorch's order [outputs, inputs, taps] under PyTorch's name.
public struct Parameter: Hashable, Sendable {
  /// PyTorch's name, such as `downs.0.1.block2.proj.weight`.
  public let name: String
  /// PyTorch's shape.
  public let fileShape: [Int]
  /// The shape in memory.
  public let shape: [Int]
  /// Where it starts in the flat memory, in floats.
  public let offset: Int
  public let initialization: Initialization

  private let outputs: Int
  private let inputs: Int
  private let taps: Int

  public enum Initialization: Hashable, Sendable {
    case zeros
    case ones
    /// Uniform in [-bound, bound).
    case uniform(bound: Float)
  }

  /// - Parameters:
  ///   - fileShape: PyTorch's shape, whose elements are [outputs, inputs, taps] in this order.
  public init(
    name: String, fileShape: [Int], outputs: Int, inputs: Int = 1, taps: Int = 1, offset: Int,
    initialization: Initialization
  ) {
    precondition(
      fileShape.reduce(1, *) == outputs * inputs * taps,
      "\(name): \(fileShape) is not \(outputs) x \(inputs) x \(taps)")
    self.name = name
    self.fileShape = fileShape
    self.outputs = outputs
    self.inputs = inputs
    self.taps = taps
    self.offset = offset
    self.initialization = initialization
    shape = fileShape.count == 1 ? [outputs] : [taps, inputs, outputs]
  }

  public var count: Int { outputs * inputs * taps }

  /// Writes the elements from `flat` to `file`, in PyTorch's order.
  public func export(from flat: UnsafePointer<Float>, to file: UnsafeMutablePointer<Float>) {
    forEachElement { inMemory, inFile in file[inFile] = flat[offset &+ inMemory] }
  }

  /// Reads the elements in PyTorch's order from `file` into `flat`.
  public func `import`(from file: UnsafePointer<Float>, to flat: UnsafeMutablePointer<Float>) {
    forEachElement { inMemory, inFile in flat[offset &+ inMemory] = file[inFile] }
  }

  @inline(__always)
  private func forEachElement(_ body: (_ inMemory: Int, _ inFile: Int) -> Void) {
    for output in 0..<outputs {
      for input in 0..<inputs {
        for tap in 0..<taps {
          body((tap &* inputs &+ input) &* outputs &+ output, (output &* inputs &+ input) &* taps &+ tap)
        }
      }
    }
  }
}
