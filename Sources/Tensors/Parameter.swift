import Kernels

/// A tensor of a model that files hold: where it lies in the flat memory, and how files know it.
///
/// In memory weights are [taps, inputs, outputs], so that a convolution is a product of patches and weights. Files
/// have PyTorch's order [outputs, inputs, taps] under PyTorch's name.
public struct Parameter: Hashable, Sendable {
  /// What a training step does to it.
  public enum Role: Hashable, Sendable {
    /// Its gradient moves it.
    case trained
    /// A running average of what batches are like, as batch normalisation keeps it. In the place of its gradient a
    /// micro-batch leaves what it found; `momentum` is the weight of a step's mean over the micro-batches.
    case runningAverage(momentum: Float)
    /// Nothing: it stays as it was made, or as a file had it.
    case constant
  }

  /// PyTorch's name, such as `downs.0.1.block2.proj.weight`.
  public let name: String
  /// PyTorch's shape.
  public let fileShape: [Int]
  /// The shape in memory.
  public let shape: [Int]
  /// Where it starts in the flat memory, in floats.
  public let offset: Int
  public let initialization: Initialization
  public let role: Role

  private let outputs: Int
  private let inputs: Int
  private let taps: Int

  public enum Initialization: Hashable, Sendable {
    case zeros
    case ones
    /// Uniform in [-bound, bound).
    case uniform(bound: Float)
    /// Normal with mean 0.
    case normal(deviation: Float)
    /// These, in PyTorch's order.
    case values([Float])
  }

  /// - Parameters:
  ///   - fileShape: PyTorch's shape, whose elements are [outputs, inputs, taps] in this order.
  public init(
    name: String, fileShape: [Int], outputs: Int, inputs: Int, taps: Int = 1, offset: Int,
    initialization: Initialization
  ) {
    self.init(
      name: name, fileShape: fileShape, shape: [taps, inputs, outputs], outputs: outputs, inputs: inputs,
      taps: taps,
      offset: offset, initialization: initialization, role: .trained)
  }

  /// A tensor that is the same in memory as in files.
  public init(name: String, shape: [Int], offset: Int, initialization: Initialization, role: Role = .trained)
  {
    self.init(
      name: name, fileShape: shape, shape: shape, outputs: shape.reduce(1, *), inputs: 1, taps: 1,
      offset: offset,
      initialization: initialization, role: role)
  }

  private init(
    name: String, fileShape: [Int], shape: [Int], outputs: Int, inputs: Int, taps: Int, offset: Int,
    initialization: Initialization, role: Role
  ) {
    precondition(
      fileShape.reduce(1, *) == outputs * inputs * taps,
      "\(name): \(fileShape) is not \(outputs) x \(inputs) x \(taps)")
    if case .values(let values) = initialization {
      precondition(
        values.count == outputs * inputs * taps, "\(name): \(values.count) values for \(fileShape)")
    }
    self.name = name
    self.fileShape = fileShape
    self.shape = shape
    self.outputs = outputs
    self.inputs = inputs
    self.taps = taps
    self.offset = offset
    self.initialization = initialization
    self.role = role
  }

  public var count: Int { outputs * inputs * taps }

  /// Writes the elements from `flat`, which begins at `start` of the flat memory, to `file`, in PyTorch's order.
  public func export(
    from flat: UnsafePointer<Float>, startingAt start: Int = 0, to file: UnsafeMutablePointer<Float>
  ) {
    export(0..<outputs, from: flat, startingAt: start, to: file)
  }

  /// Gives `body` the elements from `flat`, which begins at `start` of the flat memory, in PyTorch's order, as many at a
  /// time as caches hold.
  public func exportStretches(
    from flat: UnsafePointer<Float>, startingAt start: Int = 0,
    _ body: (UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows {
    let size = inputs * taps
    // Whole cache lines of outputs.
    let together = min(max(Self.exportedTogether / max(size, 1) / 16, 4) * 16, outputs)
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: max(together * size, 1)) { buffer in
      for first in stride(from: 0, to: outputs, by: max(together, 1)) {
        let some = first..<min(first + together, outputs)
        if let base = buffer.baseAddress { export(some, from: flat, startingAt: start, to: base) }
        try body(UnsafeBufferPointer(rebasing: buffer[..<(some.count * size)]))
      }
    }
  }

  private static let exportedTogether = 131_072

  private func export(
    _ some: Range<Int>, from flat: UnsafePointer<Float>, startingAt start: Int,
    to file: UnsafeMutablePointer<Float>
  ) {
    Transposition.writeOutputsFirst(
      flat + (offset - start), taps: taps, inputs: inputs, outputs: outputs, some: some, to: file)
  }

  /// The elements in PyTorch's order.
  public func exported(from flat: UnsafePointer<Float>, startingAt start: Int = 0) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      if let base = buffer.baseAddress { export(from: flat, startingAt: start, to: base) }
      initializedCount = count
    }
  }

  /// Reads the elements in PyTorch's order from `file` into `flat`, which begins at `start` of the flat memory.
  public func `import`(
    from file: UnsafePointer<Float>, to flat: UnsafeMutablePointer<Float>, startingAt start: Int = 0
  ) {
    let first = offset - start
    forEachElement { inMemory, inFile in flat[first &+ inMemory] = file[inFile] }
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
