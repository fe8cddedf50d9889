import Kernels
import Tensors
import Testing

/// Every differentiable operation, with each form in which it can be used.
struct OperationCase: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let shapes: [[Int]]
  let scales: [Float]
  let offsets: [Float]
  let operation: GradientCheck.Operation

  init(
    _ description: String, _ shapes: [[Int]], scales: [Float] = [], offsets: [Float] = [],
    operation: @escaping GradientCheck.Operation
  ) {
    testDescription = description
    self.shapes = shapes
    self.scales = scales
    self.offsets = offsets
    self.operation = operation
  }

  var check: GradientCheck { GradientCheck(shapes, scales: scales, offsets: offsets, operation: operation) }

  static let all: [OperationCase] =
    [
      .init("a + b", [[2, 3, 5], [2, 3, 5]]) { $0[0] + $0[1] },
      .init("silu", [[3, 7]]) { $0[0].silu() },
      .init("gelu", [[3, 7]]) { $0[0].gelu() },
      .init("linear", [[3, 5], [1, 5, 7], [7]]) { $0[0].linear(weights: $0[1], bias: $0[2]) },
      .init("upsampled", [[2, 3, 2, 5]]) { $0[0].upsampledToNearest() },
      .init("padded periodically", [[2, 3, 2, 5]]) { $0[0].paddedPeriodically(before: 1, behind: 2) },
      .init("leaky relu above 0", [[3, 17]], offsets: [4]) { $0[0].leakyReLU(slope: 0.2) },
      .init("leaky relu below 0", [[3, 17]], offsets: [-4]) { $0[0].leakyReLU(slope: 0.2) },
      .init("unit length with a floor", [[3, 7]]) { $0[0].normalizedToUnitLength(epsilon: 0.1) },
    ] + convolutions + normalizations + attentions + transformers + unets
    + losses

  private static let convolutions: [OperationCase] = [
    .init("convolution 1x1", [[2, 3, 4, 3], [1, 3, 5], [5]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 1)
    },
    .init("convolution 3x3", [[2, 5, 4, 3], [9, 3, 7], [7]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1)
    },
    .init("convolution 3x3 without bias", [[1, 4, 5, 2], [9, 2, 3]]) {
      .convolution([$0[0]], weights: $0[1], bias: nil, kernel: 3)
    },
    .init("convolution 2x2, stride 2", [[2, 6, 5, 3], [4, 3, 6], [6]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 2, stride: 2)
    },
    .init("convolution 4x4, stride 3, padding 2", [[1, 7, 8, 2], [16, 2, 3], [3]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 4, stride: 3, padding: 2)
    },
    .init("convolution 7x7", [[1, 6, 5, 2], [49, 2, 3], [3]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 7, padding: 3)
    },
    .init("convolution 1x1 of two", [[2, 3, 2, 3], [2, 3, 2, 5], [1, 8, 4], [4]]) {
      .convolution([$0[0], $0[1]], weights: $0[2], bias: $0[3], kernel: 1)
    },
    .init("convolution 3x3 of two", [[2, 4, 3, 2], [2, 4, 3, 5], [9, 7, 3], [3]]) {
      .convolution([$0[0], $0[1]], weights: $0[2], bias: $0[3], kernel: 3, padding: 1)
    },
    .init("convolution 2x2 of two, stride 2", [[1, 4, 6, 1], [1, 4, 6, 3], [4, 4, 3], [3]]) {
      .convolution([$0[0], $0[1]], weights: $0[2], bias: $0[3], kernel: 2, stride: 2)
    },
    .init("convolution 3x3 of larger images", [[2, 15, 16, 8], [9, 8, 12], [12]]) {
      .convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1)
    },
    .init("convolution 3x3 of two larger images", [[3, 14, 13, 8], [3, 14, 13, 12], [9, 20, 8], [8]]) {
      .convolution([$0[0], $0[1]], weights: $0[2], bias: $0[3], kernel: 3, padding: 1)
    },
    .init("standardized convolution", [[1, 4, 4, 3], [9, 3, 5], [5]]) {
      .convolution(
        [$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1, standardizesWeights: true)
    },
  ]

  private static let normalizations: [OperationCase] = [
    .init("group normalization", [[2, 3, 3, 6], [6], [6]], offsets: [0, 1]) {
      $0[0].groupNormalized(groups: 3, gamma: $0[1], beta: $0[2])
    },
    .init("group normalization of one group, mean 2", [[2, 5, 28], [28], [28]], offsets: [2, 1]) {
      $0[0].groupNormalized(groups: 1, gamma: $0[1], beta: $0[2])
    },
    .init("group normalization, silu", [[2, 4, 3, 8], [8], [8]], offsets: [0, 1]) {
      $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[2], activation: .silu)
    },
    .init("group normalization, scale and shift", [[2, 3, 3, 6], [6], [6], [2, 12]], offsets: [0, 1]) {
      $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[2], scaleShift: $0[3])
    },
    .init("group normalization with a residual", [[2, 3, 3, 6], [6], [6], [2, 3, 3, 6]], offsets: [0, 1]) {
      $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[2], activation: .silu, residual: $0[3])
    },
    .init("group normalization, its input as residual", [[2, 5, 6], [6], [6]], offsets: [0, 1]) {
      $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[2], residual: $0[0])
    },
    .init("group normalization, all", [[3, 5, 4, 12], [12], [12], [3, 24]], offsets: [0.5, 1]) {
      $0[0].groupNormalized(groups: 4, gamma: $0[1], beta: $0[2], scaleShift: $0[3], activation: .silu)
    },
  ]

  private static let attentions: [OperationCase] = [SelfAttention.Kind.softmax, .linear].flatMap { kind in
    [(images: [2, 3, 2, 5], heads: 2, tokens: 6), (images: [1, 70, 3], heads: 1, tokens: 70)].map { size in
      let channels = size.images[size.images.count - 1]
      let hidden = size.heads * 16
      let shapes: [[Int]] = [size.images, [1, channels, 3 * hidden], [1, hidden, channels], [channels]]
      return OperationCase(
        "\(kind) attention, \(size.heads) heads, \(size.tokens) tokens", shapes,
        // With larger scores the softmax bends too much within a step of the differences, and with a larger bias the output
        // rounds away too much of what one of many tokens changes in it.
        scales: [1, 0.25, 1, 0.125]
      ) {
        $0[0].selfAttention(
          kind, heads: size.heads, headWidth: 16, qkvWeights: $0[1], outputWeights: $0[2], outputBias: $0[3])
      }
    }
  }
}
