import Kernels
import Tensors

extension OperationCase {
  /// Every operation on so much that each thread of `comparedThreadCounts` gets several tasks, and in every way in which
  /// its kernel cuts its work. Too large for differences of their values; what comes of them is compared between threads.
  static let large: [OperationCase] =
    largeElementwise + largeConvolutions + largeNormalizations + largeAttentions + largeTransformers

  private static let largeElementwise: [OperationCase] =
    [
      .init("a + b", [[2, 240, 400], [2, 240, 400]]) { $0[0] + $0[1] },
      .init("the same added to each image", [[13, 4, 5, 18]]) {
        let constants = $0[0].tape.input([1, 20, 18])
        for index in constants.elements.indices { constants.elements[index] = Float(index) / 8 }
        return $0[0].addingToEachImage(constants)
      },
      .init("a vector added to each image", [[13, 17, 30, 24], [13, 60]]) { $0[0].adding($0[1], from: 36) },
      .init("gated addition", [[5, 600, 48], [5, 600, 48], [5, 144]]) {
        $0[0].adding($0[1], gate: $0[2].columnSlices(3)[1])
      },
      .init("relu", [[3, 70_001]]) { $0[0].relu() },
      .init("silu", [[3, 70_001]]) { $0[0].silu() },
      .init("gelu", [[3, 70_001]]) { $0[0].gelu() },
      .init("leaky relu", [[3, 70_001]]) { $0[0].leakyReLU(slope: 0.2) },
      .init("padded periodically", [[3, 37, 30, 35]]) { $0[0].paddedPeriodically(before: 1, behind: 2) },
      .init("rows of a table", [[7, 40_001]]) { $0[0].rows([2, nil, 0, 6, 2, 2]) },
      .init("upsampled to nearest", [[3, 11, 12, 35]]) { $0[0].upsampledToNearest() },
      .init("largest of 2x2", [[3, 22, 12, 35]]) { $0[0].maxPooled() },
      .init("assembled patches", [[3, 11, 7, 48]]) { $0[0].unpatchify(side: 4) },
    ]
    + [false, true].map { alignsCorners in
      .init("upsampled bilinearly, corners aligned: \(alignsCorners)", [[3, 11, 12, 35]]) {
        $0[0].upsampledBilinearly(alignsCorners: alignsCorners)
      }
    }

  private static let largeConvolutions: [OperationCase] =
    [
      // Winograd's, with filters that stay in cache and filters that pass by, in one round of tiles and in several.
      convolution("3x3, tiles pass by", [3, 37, 30], [40], 48, kernel: 3, padding: 1),
      convolution("3x3 of two, tiles pass by", [4, 28, 28], [24, 40], 32, kernel: 3, padding: 1),
      convolution("3x3, filters pass by", [11, 8, 8], [96], 100, kernel: 3, padding: 1),
      convolution("3x3, filters pass by in rounds", [9, 16, 15], [272], 72, kernel: 3, padding: 1),
      convolution(
        "3x3 of two, filters pass by in rounds", [9, 15, 16], [144, 128], 40, kernel: 3, padding: 1),
      convolution(
        "3x3, standardized, filters pass by", [11, 8, 8], [96], 100, kernel: 3, padding: 1,
        standardizesWeights: true),
      // Of few pixels, by taps; of few channels, by patches.
      convolution("3x3 of 2x2 images", [40, 2, 2], [96], 80, kernel: 3, padding: 1),
      convolution("3x3 of one channel", [5, 31, 28], [1], 40, kernel: 3, padding: 1),
      convolution("3x3 to one channel", [5, 31, 28], [40], 1, kernel: 3, padding: 1),
      convolution("7x7 of three channels", [3, 32, 33], [3], 42, kernel: 7, padding: 3),
      convolution("1x1", [5, 30, 31], [72], 80, kernel: 1),
      convolution("1x1 of two", [5, 30, 31], [72, 24], 80, kernel: 1),
      convolution("1x1 of three channels", [5, 30, 31], [3], 64, kernel: 1),
      convolution("1x1 to one channel", [5, 30, 31], [40], 1, kernel: 1),
      convolution("2x2, stride 2", [5, 26, 30], [40], 80, kernel: 2, stride: 2),
      convolution("4x4, stride 2, padding 1", [5, 26, 30], [40], 80, kernel: 4, stride: 2, padding: 1),
      convolution(
        "3x3, stride 2, zeros behind", [5, 26, 30], [40], 80, kernel: 3, stride: 2, endPadding: 1),
      convolution("4x4, stride 4", [5, 28, 28], [1], 96, kernel: 4, stride: 4),
      convolution("5x5 of two, stride 3", [5, 30, 28], [20, 8], 36, kernel: 5, stride: 3, padding: 2),
      .init("transposed convolution 4x4, stride 2, padding 1", [[5, 13, 15, 40], [16, 40, 40], [40]]) {
        $0[0].transposedConvolution(weights: $0[1], bias: $0[2], kernel: 4, stride: 2, padding: 1)
      },
      .init("transposed convolution 3x3, stride 2", [[5, 13, 15, 20], [9, 36, 20], [36]]) {
        $0[0].transposedConvolution(weights: $0[1], bias: $0[2], kernel: 3, stride: 2, padding: 0)
      },
      .init("linear", [[1200, 96], [1, 96, 400], [400], [1200, 400]]) {
        $0[0].linear(weights: $0[1], bias: $0[2], residual: $0[3])
      },
    ]
    + [LinearTransform.Activation.gelu, .tanhGELU].map { activation in
      // Few weights, whose gradients are sums of several tasks'.
      .init("linear, \(activation)", [[5, 600, 24], [1, 24, 40], [40]]) {
        $0[0].linear(weights: $0[1], bias: $0[2], activation: activation)
      }
    }

  private static func convolution(
    _ description: String, _ images: [Int], _ channels: [Int], _ outputs: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0, endPadding: Int? = nil, standardizesWeights: Bool = false
  ) -> OperationCase {
    let taps = kernel * kernel
    let shapes = channels.map { images + [$0] } + [[taps, channels.reduce(0, +), outputs], [outputs]]
    return OperationCase("convolution \(description)", shapes) {
      .convolution(
        Array($0.prefix(channels.count)), weights: $0[channels.count], bias: $0[channels.count + 1],
        kernel: kernel, stride: stride, padding: padding, endPadding: endPadding,
        standardizesWeights: standardizesWeights)
    }
  }

  private static let largeNormalizations: [OperationCase] =
    [GroupNormalization.Activation.none, .relu, .silu].map { activation in
      .init(
        "group normalization, \(activation)", [[13, 12, 11, 40], [40], [40], [13, 80]],
        offsets: [0.5, 1]
      ) {
        $0[0].groupNormalized(
          groups: 4, gamma: $0[1], beta: $0[2], scaleShift: $0[3], activation: activation)
      }
    } + [
      .init("group normalization of one large image", [[1, 100, 75, 72], [72], [72]], offsets: [0.5, 1]) {
        $0[0].groupNormalized(groups: 8, gamma: $0[1], beta: $0[2], activation: .silu, residual: $0[0])
      }
    ]
    + [BatchNormalization.Activation.none, .relu].map { activation in
      .init(
        "batch normalization, \(activation)", [[5, 60, 50, 25], [25], [25]], offsets: [2, 1]
      ) { inputs in
        let averages = inputs[0].tape.zeros([25])
        return inputs[0].batchNormalized(
          gamma: inputs[1], beta: inputs[2], runningMean: averages, runningVariance: averages,
          activation: activation)
      }
    } + [
      .init("layer normalization, all", [[5, 600, 48], [48], [48], [5, 96]], offsets: [0, 1]) {
        let parts = $0[3].columnSlices(2)
        return $0[0].layerNormalized(
          gamma: $0[1], beta: $0[2], modulation: (parts[0], parts[1]), epsilon: 1e-5)
      }
    ]

  private static let largeAttentions: [OperationCase] =
    [
      selfAttention(.softmax, images: [11, 7, 9, 40], heads: 2, headWidth: 32),
      // More channels than tokens, and fewer; and images that are cut into pieces.
      selfAttention(.linear, images: [11, 4, 4, 72], heads: 4, headWidth: 32),
      selfAttention(.linear, images: [11, 12, 13, 40], heads: 4, headWidth: 32),
      selfAttention(.linear, images: [2, 70, 64, 60], heads: 2, headWidth: 32),
      .init("attention of queries, keys and values", [[7, 65, 96]]) { $0[0].selfAttention(heads: 2) },
      .init("attention of many tokens", [[2, 1300, 48]]) { $0[0].selfAttention(heads: 2) },
    ]

  private static func selfAttention(
    _ kind: SelfAttention.Kind, images: [Int], heads: Int, headWidth: Int
  ) -> OperationCase {
    let (channels, hidden) = (images[3], heads * headWidth)
    return OperationCase(
      "\(kind) attention of \(images[0]) images of \(images[1] * images[2]) pixels",
      [images, [1, channels, 3 * hidden], [1, hidden, channels], [channels]], scales: [1, 0.25]
    ) {
      $0[0].selfAttention(
        kind, heads: heads, headWidth: headWidth, qkvWeights: $0[1], outputWeights: $0[2], outputBias: $0[3])
    }
  }
}
