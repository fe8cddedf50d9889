import Kernels
import Tensors

extension OperationCase {
  /// What the U-Nets with batch normalisation, and those with transposed convolutions, need.
  ///
  /// Where a function has kinks, values are so large that no step of the differences crosses one.
  static let unets: [OperationCase] =
    [
      .init("rows of a table", [[4, 5]]) { $0[0].rows([2, nil, 0, 2, 2]) },
      .init("relu", [[2, 5]], scales: [20], offsets: [3]) { $0[0].relu() },
      .init("a vector added to each image", [[2, 3, 4, 5], [2, 5]]) { $0[0].adding($0[1]) },
      .init("some columns added to each image", [[3, 2, 2, 16], [3, 21]]) { $0[0].adding($0[1], from: 3) },
      .init("mean of 2x2", [[2, 4, 6, 19]]) { $0[0].averagePooled() },
      .init("largest of 2x2", [[2, 4, 6, 5]], scales: [40]) { $0[0].maxPooled() },
      .init(
        "group normalization, relu", [[1, 5, 4], [4], [4]], scales: [8, 6, 6]
      ) {
        $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[2], activation: .relu)
      },
      .init("batch normalization", [[3, 2, 4, 5], [5], [5]], offsets: [2, 1]) {
        batchNormalized($0, activation: .none)
      },
      .init("batch normalization, relu", [[2, 2, 2, 3], [3], [3]], scales: [4, 4, 4]) {
        batchNormalized($0, activation: .relu)
      },
      .init("transposed convolution 4x4, stride 2, padding 1", [[2, 3, 2, 5], [16, 3, 5], [3]]) {
        $0[0].transposedConvolution(weights: $0[1], bias: $0[2], kernel: 4, stride: 2, padding: 1)
      },
      .init("transposed convolution 3x3, stride 2", [[1, 2, 3, 3], [9, 4, 3], [4]]) {
        $0[0].transposedConvolution(weights: $0[1], bias: $0[2], kernel: 3, stride: 2, padding: 0)
      },
      .init("convolution 4x4, stride 2, padding 1", [[2, 6, 4, 3], [16, 3, 5], [5]]) {
        .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 4, stride: 2, padding: 1)
      },
    ]
    + [false, true].map { alignsCorners in
      .init("upsampled bilinearly, corners aligned: \(alignsCorners)", [[2, 3, 2, 5]]) {
        $0[0].upsampledBilinearly(alignsCorners: alignsCorners)
      }
    }

  private static func batchNormalized(
    _ inputs: [Tensor], activation: BatchNormalization.Activation
  ) -> Tensor {
    let averages = inputs[0].tape.zeros([inputs[1].count])
    return inputs[0].batchNormalized(
      gamma: inputs[1], beta: inputs[2], runningMean: averages, runningVariance: averages,
      activation: activation)
  }
}
