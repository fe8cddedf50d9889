/// Products of larger matrices, on the calling thread: blocks are packed into panels, in which vectors are contiguous
/// in the order of access, and multiplied by `VectorProduct`.
///
/// Each element is summed over the depth in order, in parts that depend on the depth alone.
enum PanelProduct {
  /// The maximal numbers of rows and columns of a block of the right matrix: 64 kB, which stay in the L1 and L2 caches
  /// while the rows of the left matrix stream past.
  private static let depthPerBlock = 256
  private static let columnsPerBlock = 64
  /// The number of output rows computed together: their part of the left matrix stays in the L2 cache.
  private static let rowsPerBlock = 384

  /// Below this many rows, packing the right matrix costs more than reading it in place.
  private static let fewRows = 24

  /// output [rows, columns] = scale * left * right (+ output if `accumulating`).
  static func compute(
    _ left: Matrix, _ right: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int, scale: Float,
    accumulating: Bool
  ) {
    guard right.effectiveColumns >= Vector.width else {
      return narrow(left, right, into: output, stride: stride, scale: scale, accumulating: accumulating)
    }
    compute(left, .matrix(right), scale: scale, into: output, stride: stride, accumulating: accumulating)
  }

  /// The same for at least sixteen columns; packed ones are not scaled.
  static func compute(
    _ left: Matrix, _ right: RightFactor<Panels>, scale: Float = 1, into output: UnsafeMutablePointer<Float>,
    stride: Int, accumulating: Bool
  ) {
    let (rows, depth) = (left.effectiveRows, left.effectiveColumns)
    let parts = depthParts(depth)
    let rowParts = (rows + rowsPerBlock - 1) / rowsPerBlock
    let partRows = ((rows + rowParts - 1) / rowParts + Vector.width - 1) / Vector.width * Vector.width
    let leftCount = left.isTransposed ? partRows * parts.size : 0
    let rightCount = right.isPacked ? 0 : columnsPerBlock * parts.size
    withUnsafeTemporaryAllocation(
      byteCount: max(leftCount + rightCount, 1) * MemoryLayout<Float>.stride,
      alignment: MemoryLayout<Vector>.alignment
    ) { memory in
      let leftPanels = memory.baseAddress!.assumingMemoryBound(to: Float.self)
      let rightPanels = leftPanels + leftCount
      for row in Swift.stride(from: 0, to: rows, by: partRows) {
        let rowRange = row..<min(row + partRows, rows)
        for part in 0..<parts.count {
          let leftPart = LeftPart(left, rowRange, parts[part], memory: leftPanels)
          forEachBlock(right.columns) { block in
            let rightPart =
              switch right {
              case .matrix(let matrix):
                rightPart(
                  matrix, parts[part], block, scale: scale, rows: rowRange.count, memory: rightPanels)
              case .panels(let panels, let columns): panels.part(parts[part], block, of: columns)
              }
            leftPart.multiply(
              rightPart, into: output + (row * stride + block.lowerBound), stride: stride,
              accumulating: accumulating || part > 0)
          }
        }
      }
    }
  }

  private static func depthParts(_ depth: Int) -> DepthParts { DepthParts(depth, most: depthPerBlock) }

  /// A right matrix, packed whole: for each part of the depth, all panels of sixteen columns, [depth, 16] each. The last
  /// panel holds the last sixteen columns.
  struct Panels {
    private let elements: UnsafePointer<Float>
    private let panels: Int

    /// - Parameters:
    ///   - matrix: at least sixteen columns.
    ///   - memory: room for as many floats as the panels have.
    init(_ matrix: Matrix, memory: UnsafeMutablePointer<Float>, pool: ThreadPool) {
      let (width, columns) = (Vector.width, matrix.effectiveColumns)
      let (panels, parts) = ((columns + width - 1) / width, depthParts(matrix.effectiveRows))
      pool.parallel(panels * parts.count) { task, _ in
        let (part, panel) = (parts[task / panels], task % panels)
        let column = min(panel * width, columns - width)
        copyPanel(
          matrix, part, column..<column + width, scale: 1,
          to: memory + Self.place(part, panel: panel, of: panels))
      }
      elements = UnsafePointer(memory)
      self.panels = panels
    }

    /// Block `block` of the columns `columns`.
    func part(_ depth: Range<Int>, _ block: Range<Int>, of columns: Range<Int>) -> VectorProduct.Right {
      let first = (columns.lowerBound + block.lowerBound) / Vector.width
      return .init(
        elements: elements + Self.place(depth, panel: first, of: panels), columns: block.count,
        stride: depth.count * Vector.width, isPanels: true)
    }

    private static func place(_ depth: Range<Int>, panel: Int, of panels: Int) -> Int {
      (depth.lowerBound * panels + panel * depth.count) * Vector.width
    }
  }

  /// Divides the columns into blocks, none of which is narrower than a vector.
  private static func forEachBlock(_ columns: Int, _ body: (Range<Int>) -> Void) {
    var column = 0
    while column < columns {
      let rest = columns - column
      let width =
        rest > columnsPerBlock && rest < columnsPerBlock + Vector.width
        ? columnsPerBlock - Vector.width : min(rest, columnsPerBlock)
      body(column..<column + width)
      column += width
    }
  }

  /// A block of the left matrix: some rows over part of the depth.
  private struct LeftPart {
    private let elements: UnsafePointer<Float>
    private let rows: Int
    private let depth: Int
    /// The distance between rows, if they are read in place; nil if packed into panels of sixteen rows, [depth, 16]
    /// each.
    private let stride: Int?

    init(_ matrix: Matrix, _ rows: Range<Int>, _ depth: Range<Int>, memory: UnsafeMutablePointer<Float>) {
      (self.rows, self.depth) = (rows.count, depth.count)
      guard matrix.isTransposed else {
        elements = matrix.elements + (rows.lowerBound * matrix.stride + depth.lowerBound)
        stride = matrix.stride
        return
      }
      var panel = memory
      for row in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: Vector.width) {
        let count = min(Vector.width, rows.upperBound - row)
        let source = matrix.elements + (depth.lowerBound * matrix.stride + row)
        if count == Vector.width {
          for d in 0..<depth.count {
            Vector(from: source + d &* matrix.stride).store(to: panel + d &* Vector.width)
          }
        } else {
          for d in 0..<depth.count {
            (panel + d &* Vector.width).update(from: source + d &* matrix.stride, count: count)
          }
        }
        panel += depth.count * Vector.width
      }
      elements = UnsafePointer(memory)
      stride = nil
    }

    func multiply(
      _ right: VectorProduct.Right, into output: UnsafeMutablePointer<Float>, stride outputStride: Int,
      accumulating: Bool
    ) {
      if let stride {
        VectorProduct.compute(
          .init(elements: elements, rowStride: stride, depthStride: 1), right, rows: rows, depth: depth,
          into: output, stride: outputStride, accumulating: accumulating)
        return
      }
      for row in Swift.stride(from: 0, to: rows, by: Vector.width) {
        VectorProduct.compute(
          .init(elements: elements + row * depth, rowStride: 1, depthStride: Vector.width), right,
          rows: min(Vector.width, rows - row), depth: depth, into: output + row * outputStride,
          stride: outputStride, accumulating: accumulating)
      }
    }
  }

  /// A block of the right matrix, some columns over part of the depth, times `scale`: packed, unless it can be read
  /// efficiently in place.
  private static func rightPart(
    _ matrix: Matrix, _ depth: Range<Int>, _ columns: Range<Int>, scale: Float, rows: Int,
    memory: UnsafeMutablePointer<Float>
  ) -> VectorProduct.Right {
    if !matrix.isTransposed && scale == 1 && (rows < fewRows || matrix.stride <= columnsPerBlock) {
      return .init(
        elements: matrix.elements + (depth.lowerBound * matrix.stride + columns.lowerBound),
        columns: columns.count, stride: matrix.stride, isPanels: false)
    }
    let width = Vector.width
    let panelCount = depth.count * width
    let panels = (columns.count + width - 1) / width
    for panel in 0..<panels {
      // The last panel holds the last sixteen columns.
      let column = columns.lowerBound + min(panel * width, columns.count - width)
      copyPanel(matrix, depth, column..<column + width, scale: scale, to: memory + panel * panelCount)
    }
    return .init(
      elements: UnsafePointer(memory), columns: columns.count, stride: panelCount, isPanels: true)
  }

  /// Writes a panel [depth, 16]: up to sixteen columns times `scale`, padded with zeros.
  private static func copyPanel(
    _ matrix: Matrix, _ depth: Range<Int>, _ columns: Range<Int>, scale: Float,
    to panel: UnsafeMutablePointer<Float>
  ) {
    let (width, stride) = (Vector.width, matrix.stride)
    if columns.count < width { panel.update(repeating: 0, count: depth.count * width) }
    if matrix.isTransposed {
      Transposition.write(
        matrix.elements + (columns.lowerBound * stride + depth.lowerBound), rows: columns.count,
        columns: depth.count, stride: stride, to: panel, stride: width)
    } else {
      let source = matrix.elements + (depth.lowerBound * stride + columns.lowerBound)
      if columns.count == width {
        for d in 0..<depth.count { Vector(from: source + d &* stride).store(to: panel + d &* width) }
      } else {
        for d in 0..<depth.count {
          (panel + d &* width).update(from: source + d &* stride, count: columns.count)
        }
      }
    }
    guard scale != 1 else { return }
    for d in 0..<depth.count {
      (Vector(from: panel + d &* width) * Vector(repeating: scale)).store(to: panel + d &* width)
    }
  }

  /// A product with fewer columns than a vector: computed in scratch memory with columns of zeros as padding.
  private static func narrow(
    _ left: Matrix, _ right: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int, scale: Float,
    accumulating: Bool
  ) {
    let (rows, depth, columns) = (left.effectiveRows, left.effectiveColumns, right.effectiveColumns)
    let width = Vector.width
    withUnsafeTemporaryAllocation(
      byteCount: (depth + min(rows, rowsPerBlock)) * width * MemoryLayout<Float>.stride,
      alignment: MemoryLayout<Vector>.alignment
    ) { memory in
      let panel = memory.baseAddress!.assumingMemoryBound(to: Float.self)
      let products = panel + depth * width
      copyPanel(right, 0..<depth, 0..<columns, scale: scale, to: panel)
      for row in Swift.stride(from: 0, to: rows, by: rowsPerBlock) {
        let range = row..<min(row + rowsPerBlock, rows)
        // Sums start from the output, as those of wider products do: how columns are divided must not change bits.
        if accumulating {
          products.update(repeating: 0, count: range.count * width)
          for index in 0..<range.count {
            (products + index &* width).update(from: output + (row + index) &* stride, count: columns)
          }
        }
        compute(
          left.rowBlock(range), Matrix(panel, rows: depth, columns: width), into: products, stride: width,
          scale: 1, accumulating: accumulating)
        for index in 0..<range.count {
          (output + (row + index) &* stride).update(from: products + index &* width, count: columns)
        }
      }
    }
  }
}
