/// The meaning of an array's dimensions, slowest first: N samples, C channels, H rows, W columns.
public struct AxisOrder: Sendable, Equatable, CustomStringConvertible {
  enum Axis: Character, CaseIterable {
    case samples = "N"
    case channels = "C"
    case rows = "H"
    case columns = "W"
  }

  let axes: [Axis]

  /// - Parameter text: the letters N, C, H and W in any order, such as `NCHW`; N and C are optional. Returns nil for
  ///   anything else.
  public init?(_ text: String) {
    let axes = text.uppercased().map { Axis(rawValue: $0) }
    guard !axes.contains(nil), Set(axes).count == axes.count, axes.contains(.rows), axes.contains(.columns)
    else { return nil }
    self.axes = axes.compactMap(\.self)
  }

  public var description: String { String(axes.map(\.rawValue)) }
}

/// The layout of samples in an array from another program.
struct ArrayLayout: Sendable {
  /// The number of samples.
  let count: Int
  /// The shape of one sample in the dataset: [H, W, C] for a grid.
  let shape: [Int]
  /// The extents in the file.
  private let extents: [Int]
  /// The dimension of the file that indexes samples; nil if there is only one sample.
  private let sampleAxis: Int?
  /// For each dimension of `shape`, that of the file; nil if the file has none.
  private let axes: [Int?]
  /// Whether the source counts its dimensions in reverse order.
  private let isReversed: Bool

  /// Samples on a grid.
  ///
  /// - Parameters:
  ///   - array: an array of numbers in any order.
  ///   - order: nil for [N, H, W] or [N, H, W, C]; [H, W, N] or [H, W, C, N] if `isMATLAB`.
  /// - Throws: `DatasetError` for a shape that does not fit, or is ambiguous.
  init(grid array: any NumberArray, order: AxisOrder?, isMATLAB: Bool) throws {
    let shape = array.isReversed ? array.shape.reversed() : array.shape
    let defaults = isMATLAB ? ["HWN", "HWCN"] : ["NHW", "NHWC"]
    let usual = (3...4).contains(shape.count) ? AxisOrder(defaults[shape.count - 3]) : nil
    guard let known = order ?? usual, known.axes.count == shape.count, shape.allSatisfy({ $0 > 0 }) else {
      let names = defaults.map { "[\($0.map { "\($0)" }.joined(separator: ", "))]" }
      let expected = order.map { "[\($0.description.map { "\($0)" }.joined(separator: ", "))]" }
      throw DatasetError.badData(
        array.place,
        "has the shape \(shape), expected \(expected ?? names.joined(separator: " or ")) of samples"
          + (order == nil ? "; another order is given by --layout, such as --layout NCHW" : ""))
    }
    func extent(_ axis: AxisOrder.Axis) -> Int? { known.axes.firstIndex(of: axis).map { shape[$0] } }
    if order == nil, let doubt = Self.doubt(shape, isMATLAB: isMATLAB) {
      throw DatasetError.badData(array.place, "has the shape \(shape): \(doubt)")
    }
    func place(_ axis: AxisOrder.Axis) -> Int? {
      known.axes.firstIndex(of: axis).map { array.isReversed ? shape.count - 1 - $0 : $0 }
    }
    count = extent(.samples) ?? 1
    self.shape = [extent(.rows) ?? 1, extent(.columns) ?? 1, extent(.channels) ?? 1]
    extents = array.shape
    sampleAxis = place(.samples)
    axes = [place(.rows), place(.columns), place(.channels)]
    isReversed = array.isReversed
  }

  /// Samples without a grid: a number or an array each, [N, ...].
  init(vectors array: any NumberArray) throws {
    let shape = array.isReversed ? array.shape.reversed() : array.shape
    guard !shape.isEmpty, shape.allSatisfy({ $0 > 0 }) else {
      throw DatasetError.badData(
        array.place, "has the shape \(shape), expected [N, ...], one row for each sample")
    }
    count = shape[0]
    self.shape = Array(shape.dropFirst())
    extents = array.shape
    let places = array.isReversed ? Array(shape.indices.reversed()) : Array(shape.indices)
    sampleAxis = places[0]
    axes = places.dropFirst().map { $0 }
    isReversed = array.isReversed
  }

  var elementCount: Int { shape.reduce(1, *) }

  /// The block of the file that holds the samples of `range`.
  func block(_ range: Range<Int>) -> (offset: [Int], count: [Int]) {
    var (offset, count) = (extents.map { _ in 0 }, extents)
    if let sampleAxis { (offset[sampleAxis], count[sampleAxis]) = (range.lowerBound, range.count) }
    return (offset, count)
  }

  /// In a block of `count` samples: the distance between samples, and the offsets of a sample's elements from its
  /// start, in the order of `shape`.
  func offsets(inBlockOf count: Int) -> (stride: Int, elements: [Int]) {
    var steps = [Int](repeating: 1, count: extents.count)
    let block = block(0..<count).count
    for axis in extents.indices.dropLast().reversed() { steps[axis] = steps[axis + 1] * block[axis + 1] }
    var elements = [0]
    elements.reserveCapacity(elementCount)
    for (axis, extent) in zip(axes, shape) {
      let step = axis.map { steps[$0] } ?? 0
      elements = elements.flatMap { base in (0..<extent).map { base + $0 * step } }
    }
    return (sampleAxis.map { steps[$0] } ?? 0, elements)
  }

  /// The index of element `element` of sample `sample` in the source's dimension order.
  func index(of element: Int, in sample: Int) -> [Int] {
    var index = [Int](repeating: 0, count: extents.count)
    var rest = element
    for (axis, extent) in zip(axes, shape).reversed() {
      if let axis { index[axis] = rest % extent }
      rest /= extent
    }
    if let sampleAxis { index[sampleAxis] = sample }
    return isReversed ? index.reversed() : index
  }

  /// For each dimension of `shape`, that of the file.
  var fileAxes: [Int?] { axes }

  /// Another possible meaning of the shape, which only the user can resolve.
  private static func doubt(_ shape: [Int], isMATLAB: Bool) -> String? {
    let (one, many) = isMATLAB ? ("HWC", "HWN") : ("HWC", "NHW")
    if !isMATLAB, shape.count == 3, shape[2] <= 4 {
      return "one image of \(shape[2]) channels, or \(shape[0]) grey ones of \(shape[1]) x \(shape[2])? "
        + "Give --layout \(one) or --layout \(many)"
    }
    guard shape.count == 4, !isMATLAB else { return nil }
    let likely = [1, 3]
    if !likely.contains(shape[3]), likely.contains(shape[1]) {
      return
        "\(shape[3]) channels, or \(shape[1]) in the order [N, C, H, W]? Give --layout NHWC or --layout NCHW"
    }
    return nil
  }
}
