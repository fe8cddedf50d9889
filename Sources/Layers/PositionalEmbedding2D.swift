import Foundation
import Tensors

/// A fixed vector for each position of a square grid: the sines, then the cosines, of the column, then of the row, at
/// frequencies 10000^(-i / (width / 4)). It is not trained, but stored in files.
public struct PositionalEmbedding2D: Sendable {
  private let table: Parameter

  /// - Parameters:
  ///   - side: the number of rows and columns of the grid.
  ///   - width: a multiple of 4.
  public init(_ builder: ParameterBuilder, _ name: String, side: Int, width: Int) {
    precondition(
      side > 0 && width > 0 && width % 4 == 0, "\(width) numbers for each of \(side) x \(side) places")
    let frequencies = (0..<width / 4).map { pow(10000, -Double($0) / Double(width / 4)) }
    func embedding(_ position: Int) -> [Float] {
      let angles = frequencies.map { Double(position) * $0 }
      return angles.map { Float(sin($0)) } + angles.map { Float(cos($0)) }
    }
    let values = (0..<side * side).flatMap { embedding($0 % side) + embedding($0 / side) }
    table = builder.table(name, shape: [1, side * side, width], .values(values), role: .constant)
  }

  /// x + positions, for x [B, side, side, width].
  public func callAsFunction(_ x: Tensor) -> Tensor { x.addingToEachImage(x.tape(table)) }
}
