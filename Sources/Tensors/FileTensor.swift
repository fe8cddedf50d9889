import Kernels

/// A tensor as stored in files: a whole parameter, or the part of one that covers a range of its outputs.
public struct FileTensor: Sendable {
  public let parameter: Parameter
  /// PyTorch's name.
  public let name: String
  /// PyTorch's shape.
  public let shape: [Int]
  /// The range of the parameter's outputs that it covers.
  public let outputs: Range<Int>

  init(_ parameter: Parameter, _ name: String, _ shape: [Int], outputs: Range<Int>) {
    self.parameter = parameter
    self.name = name
    self.shape = shape
    self.outputs = outputs
  }

  public var count: Int { outputs.count * parameter.inputs * parameter.taps }

  /// Passes the elements in PyTorch's order to `body`, in chunks that fit into caches, reading them from `flat`, which
  /// begins at `start` of the flat memory.
  public func exportStretches(
    from flat: UnsafePointer<Float>, startingAt start: Int = 0,
    _ body: (UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows {
    let size = parameter.inputs * parameter.taps
    // Whole cache lines of outputs.
    let together = min(max(Self.exportedTogether / max(size, 1) / 16, 4) * 16, outputs.count)
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: max(together * size, 1)) { buffer in
      for first in stride(from: outputs.lowerBound, to: outputs.upperBound, by: max(together, 1)) {
        let some = first..<min(first + together, outputs.upperBound)
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
      flat + (parameter.offset - start), taps: parameter.taps, inputs: parameter.inputs,
      outputs: parameter.outputs, some: some, to: file)
  }

  /// The elements in PyTorch's order, read from `flat`, which begins at `start` of the flat memory.
  public func exported(from flat: UnsafePointer<Float>, startingAt start: Int = 0) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      if let base = buffer.baseAddress { export(outputs, from: flat, startingAt: start, to: base) }
      initializedCount = count
    }
  }

  /// Reads the elements in PyTorch's order from `file` into `flat`, which begins at `start` of the flat memory.
  public func `import`(
    from file: UnsafePointer<Float>, to flat: UnsafeMutablePointer<Float>, startingAt start: Int = 0
  ) {
    let (inputs, taps, all) = (parameter.inputs, parameter.taps, parameter.outputs)
    let memory = flat + (parameter.offset - start)
    var place = 0
    for output in outputs {
      for input in 0..<inputs {
        for tap in 0..<taps {
          memory[(tap &* inputs &+ input) &* all &+ output] = file[place]
          place &+= 1
        }
      }
    }
  }
}
