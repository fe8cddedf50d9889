import Kernels
import Tensors

extension OperationCase {
  /// What the U-Nets with batch normalisation, and those with transposed convolutions, need.
  static let unets: [OperationCase] = [
    .init("rows of a table", [[4, 5]]) { $0[0].rows([2, nil, 0, 2, 2]) }
  ]
}
