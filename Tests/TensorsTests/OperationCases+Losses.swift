import Kernels
import Tensors

extension OperationCase {
  /// What losses are made of.
  static let losses: [OperationCase] =
    [
      .init("a - b", [[2, 3, 5], [2, 3, 5]]) { $0[0] - $0[1] },
      .init("a b", [[2, 3, 5], [2, 3, 5]]) { $0[0] * $0[1] },
      .init("a a", [[2, 3, 5]]) { $0[0] * $0[0] },
      .init("scaled by a scalar", [[2, 3, 5], []]) { $0[0].scaled(by: $0[1]) },
      .init("scaled by a scalar's exponential", [[3, 4], [1]]) { $0[0].scaled(by: $0[1].exponential()) },
      .init("scaled by a number", [[3, 5]]) { $0[0].scaled(by: -1.5, adding: 2) },
      .init("exponential", [[3, 7]], scales: [0.5]) { $0[0].exponential() },
      // Values so large that no step of the differences crosses a bound.
      .init("clamped", [[3, 7]], scales: [37], offsets: [3]) { $0[0].clamped(to: -30...20) },
      .init("sum", [[3, 7]]) { $0[0].sum() },
      .init("mean", [[3, 7]]) { $0[0].mean() },
      .init("rows times rows", [[3, 5], [4, 5]]) { $0[0].timesTranspose(of: $0[1]) },
      .init("rows times themselves", [[3, 5]]) { $0[0].timesTranspose(of: $0[0]) },
      .init("cross entropy", [[4, 6]]) { $0[0].crossEntropy(labels: [5, 0, 2, 2]) },
      .init("a difference's squares, weighted", [[3, 5], [3, 5]]) {
        $0[0].meanLoss(.l2, target: $0[1], sampleWeights: [2, 0.5, 1])
      },
      .init("contrastive loss", [[4, 5], [4, 5], [1]]) {
        let logits = $0[0].normalizedToUnitLength().timesTranspose(of: $0[1].normalizedToUnitLength())
          .scaled(by: $0[2].exponential())
        return logits.crossEntropy(labels: [0, 1, 2, 3])
      },
      .init("divergence from the normal distribution", [[2, 3, 8]], scales: [0.5]) {
        let (mean, logVariance) = ($0[0].part(0..<4, axis: 2), $0[0].part(4..<8, axis: 2))
        return (mean * mean + logVariance.exponential() - logVariance.scaled(by: 1, adding: 1)).sum()
          .scaled(by: 0.25)
      },
    ]
    // Distances far from the kinks of the losses.
    + PredictionLoss.allCases.map { loss in
      .init("mean \(loss)", [[2, 3, 5], [2, 3, 5]], scales: [0.25, 0.25], offsets: [0, 4]) {
        $0[0].meanLoss(loss, target: $0[1])
      }
    }
}
