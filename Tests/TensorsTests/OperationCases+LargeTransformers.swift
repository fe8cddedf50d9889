import Kernels
import Tensors

extension OperationCase {
  /// See `large`.
  static let largeTransformers: [OperationCase] =
    [
      .init("causal attention, keys left out", [[3, 1100, 48]]) {
        $0[0].selfAttention(heads: 2, isCausal: true, keyMask: mask([3, 1100], of: $0[0].tape))
      },
      .init("attention to other tokens", [[3, 1100, 80], [3, 77, 160]]) {
        $0[0].crossAttention(to: $0[1], heads: 2)
      },
      .init("attention of few queries to some tokens", [[7, 5, 9, 40], [7, 77, 80]]) {
        $0[0].crossAttention(to: $0[1], heads: 5, keyMask: mask([7, 77], of: $0[0].tape))
      },
      .init("linear without bias, silu", [[1200, 96], [1, 96, 400]]) {
        $0[0].linear(weights: $0[1], activation: .silu)
      },
      .init("mean of 2x2", [[5, 40, 38, 67]]) { $0[0].averagePooled() },
      .init("gated gelu", [[3, 700, 96]]) { $0[0].gatedGELU() },
      .init("quick gelu", [[3, 70_001]]) { $0[0].quickGELU() },
      .init("approximate gelu", [[3, 70_001]]) { $0[0].tanhGELU() },
      .init("clamped", [[3, 70_001]]) { $0[0].clamped(to: -1...2) },
      .init("exponential", [[3, 70_001]]) { $0[0].exponential() },
      .init("a - b", [[3, 70_001], [3, 70_001]]) { $0[0] - $0[1] },
      .init("a b", [[3, 70_001], [3, 70_001]]) { $0[0] * $0[1] },
      .init("scaled by a scalar", [[3, 70_001], [1]]) { $0[0].scaled(by: $0[1]) },
      .init("scaled by a number", [[3, 70_001]]) { $0[0].scaled(by: 3) },
      .init("channels one after the other", [[5, 20, 19, 40], [5, 20, 19, 24]]) {
        .concatenated([$0[0], $0[1]], axis: 3)
      },
      .init("some tokens", [[7, 300, 40]]) { $0[0].part(17..<280, axis: 1) },
      .init("mean over tokens", [[7, 60, 40, 40]]) { $0[0].meanOverTokens() },
      .init("sum", [[3, 70_001]]) { $0[0].sum() },
      .init("mean", [[3, 70_001]]) { $0[0].mean() },
      .init("rows of unit length", [[300, 200]]) { $0[0].normalizedToUnitLength() },
      .init("rows times rows", [[300, 200], [150, 200]]) { $0[0].timesTranspose(of: $0[1]) },
      .init("cross entropy", [[300, 200]]) { $0[0].crossEntropy(labels: (0..<300).map { $0 * 7 % 200 }) },
      .init("positions added to each image", [[5, 77, 300], [77, 300]]) { $0[0].addingToEachImage($0[1]) },
      .init("rows of a wide table", [[30, 700]]) { $0[0].rows((0..<500).map { $0 * $0 % 30 }) },
      .init("Kronecker product", [[1, 40, 30], [9, 20, 70]]) { $0[0].kroneckerProduct(with: $0[1]) },
      .init("token of each sample", [[300, 3, 70]]) { $0[0].tokens(at: (0..<300).map { $0 % 3 }) },
    ]
    + PredictionLoss.allCases.map { loss in
      .init("mean \(loss)", [[30, 5000], [30, 5000]]) {
        $0[0].meanLoss(loss, target: $0[1], sampleWeights: (0..<30).map { Float($0) })
      }
    }
}
