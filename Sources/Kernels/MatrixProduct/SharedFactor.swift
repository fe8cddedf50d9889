/// A right factor that several tasks multiply by, packed once for all of them. Results have the same bits as if each task
/// packed what it needs.
struct SharedFactor {
  private enum Packed {
    case float32(PanelProduct.Panels)
    case bf16(BFloat16Product.Panels)
  }

  private let packed: Packed
  private let columns: Int

  /// The size of the memory for a factor [depth, columns], in floats.
  static func count(depth: Int, columns: Int) -> Int {
    // With bfloat16, an odd depth is padded, but a float holds two.
    depth * ((columns + Vector.width - 1) / Vector.width * Vector.width)
  }

  /// - Parameter memory: `count` floats, which must outlive the factor.
  init(
    _ matrix: Matrix, precision: ProductPrecision, memory: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    columns = matrix.effectiveColumns
    packed =
      precision == .bf16 && ProductPrecision.hasBFloat16Products
      ? .bf16(BFloat16Product.Panels(matrix, memory: memory, pool: pool))
      : .float32(PanelProduct.Panels(matrix, memory: memory, pool: pool))
  }

  /// output = left times the columns `range` of the factor, whose start must be a multiple of 16, as must its end unless that
  /// is the factor's.
  func multiply(
    _ left: Matrix, columns range: Range<Int>, into output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    precondition(
      range.lowerBound % Vector.width == 0
        && (range.upperBound % Vector.width == 0 || range.upperBound == columns),
      "columns \(range) of \(columns)")
    switch packed {
    case .float32(let panels):
      PanelProduct.compute(
        left, .panels(panels, range), into: output, stride: stride, accumulating: false)
    case .bf16(let panels):
      BFloat16Product.compute(
        left, .panels(panels, range), into: output, stride: stride, accumulating: false)
    }
  }
}

/// The right factor of a product: a matrix, or some columns of one that has been packed.
enum RightFactor<Panels> {
  case matrix(Matrix)
  case panels(Panels, Range<Int>)

  var columns: Int {
    switch self {
    case .matrix(let matrix): matrix.effectiveColumns
    case .panels(_, let columns): columns.count
    }
  }

  var isPacked: Bool {
    switch self {
    case .matrix: false
    case .panels: true
    }
  }
}

/// The parts of the depth of a product that are multiplied one after the other. They depend on the depth alone.
struct DepthParts {
  private let depth: Int
  let count: Int
  /// The depth of all parts but the last one.
  let size: Int

  /// - Parameters:
  ///   - most: the largest size of a part.
  ///   - multiple: what all sizes but the last are a multiple of.
  init(_ depth: Int, most: Int, multipleOf multiple: Int = 1) {
    self.depth = depth
    let parts = max((depth + most - 1) / most, 1)
    let even = (depth + parts - 1) / parts
    size = (even + multiple - 1) / multiple * multiple
    count = parts
  }

  subscript(part: Int) -> Range<Int> { min(part * size, depth)..<min((part + 1) * size, depth) }
}
