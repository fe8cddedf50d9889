import HDF5

/// An array whose samples are read individually, with block-wise I/O.
final class ArrayVariable {
  let array: any NumberArray
  let layout: ArrayLayout
  /// Converts stored values to the source's units: value * scale + offset (CF conventions 1.10, section 8.1).
  let packing: (scale: Double, offset: Double)?

  private let elementSize: Int
  private let blockCount: Int
  private let missingValues: [Double]
  private var block: [UInt8] = []
  private var blockRange = 0..<0
  private var stride = 0
  private var offsets: [Int] = []
  /// The number of samples in a block that `stride` and `offsets` apply to.
  private var offsetsCount = 0
  private var isInOrder = false

  /// Approximate read size, since libraries decompress whole chunks at a time.
  private static let blockBytes = 16 << 20

  init(_ array: any NumberArray, layout: ArrayLayout) {
    self.array = array
    self.layout = layout
    elementSize = array.type.byteCount ?? 1
    blockCount = max(1, Self.blockBytes / max(1, layout.elementCount * elementSize))
    missingValues = array.missingValues
    let scale = array.attributes["scale_factor"]?.numbers.first
    let offset = array.attributes["add_offset"]?.numbers.first
    packing = scale == nil && offset == nil ? nil : (scale ?? 1, offset ?? 0)
  }

  /// The source's attributes, without those that apply only to the stored values.
  var attributes: [String: FieldAttribute] {
    let stored: Set = [
      "scale_factor", "add_offset", "_FillValue", "missing_value", "valid_range", "valid_min", "valid_max",
    ]
    return array.attributes.filter { name, value in
      !stored.contains(name) && !name.hasPrefix("MATLAB_") && value.numbers.count <= 1024
    }
  }

  /// Whether every number is a value in the source's units, with no marker for missing ones.
  var isPlain: Bool { packing == nil && missingValues.isEmpty && !array.type.isFloatingPoint }

  /// Copies the unconverted elements of sample `sample` to `bytes`, in runs of `run` elements that start `step`
  /// elements apart.
  func copy(_ sample: Int, to bytes: UnsafeMutableRawBufferPointer, run: Int, step: Int) throws {
    let base = try load(sample)
    block.withUnsafeBytes { block in
      if isInOrder && run == step {
        bytes.copyMemory(
          from: UnsafeRawBufferPointer(
            rebasing: block[(base * elementSize)...].prefix(offsets.count * elementSize)))
        return
      }
      for element in offsets.indices {
        let target = (element / run * step + element % run) * elementSize
        let source = (base + offsets[element]) * elementSize
        for byte in 0..<elementSize { bytes[target + byte] = block[source + byte] }
      }
    }
  }

  /// Calls `body` with the elements of sample `sample` in order: their value, or nil if missing.
  ///
  /// - Throws: errors of `body`, and `DatasetError` for an infinite value.
  @inline(__always)
  func visit(_ sample: Int, _ body: (Int, Double?) throws -> Void) throws {
    let base = try load(sample)
    let type = array.type
    try block.withUnsafeBytes { block in
      guard let start = block.baseAddress else { return }
      for element in offsets.indices {
        let stored = type.number(at: base + offsets[element], in: start)
        guard !stored.isNaN, !missingValues.contains(stored) else {
          try body(element, nil)
          continue
        }
        guard stored.isFinite else {
          throw error(element, in: sample, "is \(stored), expected a finite number")
        }
        try body(element, packing.map { stored * $0.scale + $0.offset } ?? stored)
      }
    }
  }

  /// An error about one element.
  func error(_ element: Int, in sample: Int, _ problem: String) -> DatasetError {
    .badData(array.place, "the value at \(layout.index(of: element, in: sample)) \(problem)")
  }

  /// Reads the block that holds a sample unless it is loaded; returns where the sample starts in it.
  private func load(_ sample: Int) throws -> Int {
    if !blockRange.contains(sample) {
      let range = sample..<min(sample + blockCount, layout.count)
      let (offset, count) = layout.block(range)
      let size = count.reduce(1, *) * elementSize
      if range.count != offsetsCount {
        (stride, offsets) = layout.offsets(inBlockOf: range.count)
        isInOrder = offsets.enumerated().allSatisfy { $0 == $1 }
        offsetsCount = range.count
      }
      blockRange = 0..<0
      if block.count != size { block = [UInt8](repeating: 0, count: size) }
      try block.withUnsafeMutableBytes { try array.read(into: $0, offset: offset, count: count) }
      blockRange = range
    }
    return (sample - blockRange.lowerBound) * stride
  }
}

/// One or several arrays, stacked along their channels (the last dimension).
final class StackedVariables {
  let variables: [ArrayVariable]
  let count: Int
  /// The shape of one sample.
  let shape: [Int]
  /// Number of channels of each variable, and the index of its first.
  private let channels: [Int]
  private let starts: [Int]

  var channelCount: Int { starts[starts.count - 1] }

  /// - Throws: `DatasetError` naming two variables that differ in the number of samples or in shape.
  init(_ variables: [ArrayVariable]) throws {
    precondition(!variables.isEmpty, "no variables")
    self.variables = variables
    let first = variables[0]
    for other in variables.dropFirst() {
      guard other.layout.count == first.layout.count else {
        throw DatasetError.badData(
          other.array.place,
          "holds \(other.layout.count) samples, but \(first.array.name) holds \(first.layout.count)")
      }
      guard other.layout.shape.count == first.layout.shape.count,
        other.layout.shape.dropLast() == first.layout.shape.dropLast()
      else {
        throw DatasetError.badData(
          other.array.place,
          "has samples of the shape \(other.layout.shape), but those of \(first.array.name) have "
            + "\(first.layout.shape); they must agree in all but the channels to be stacked")
      }
    }
    count = first.layout.count
    channels = variables.map { $0.layout.shape.last ?? 1 }
    starts = channels.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    let inner = first.layout.shape.isEmpty && variables.count == 1 ? [] : [starts[variables.count]]
    shape = first.layout.shape.dropLast() + inner
  }

  /// The variable of a channel.
  func variable(of channel: Int) -> ArrayVariable {
    variables[(starts.lastIndex { $0 <= channel } ?? 0).clamped(below: variables.count)]
  }

  /// Calls `body` for each value of a sample with its index in the sample, its channel, the value or nil if missing,
  /// and a function that creates an error about it.
  @inline(__always)
  func visit(
    _ sample: Int,
    _ body: (_ place: Int, _ channel: Int, _ value: Double?, _ error: (String) -> DatasetError) throws -> Void
  ) throws {
    let step = channelCount
    for (index, variable) in variables.enumerated() {
      let (own, start) = (channels[index], starts[index])
      try variable.visit(sample) { element, value in
        let channel = start + element % own
        try body(element / own * step + channel, channel, value) { variable.error(element, in: sample, $0) }
      }
    }
  }

  /// Copies the unconverted elements of a sample; all variables must have the same type.
  func copy(_ sample: Int, to bytes: UnsafeMutableRawBufferPointer) throws {
    for (index, variable) in variables.enumerated() {
      let size = variable.array.type.byteCount ?? 1
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[(starts[index] * size)...])
      try variable.copy(sample, to: part, run: channels[index], step: channelCount)
    }
  }
}

extension Int {
  fileprivate func clamped(below limit: Int) -> Int { Swift.min(self, limit - 1) }
}
