import Kernels
import NumericsTestSupport
import Testing

@Suite struct PredictionLossTests {
  private func evaluate(
    _ loss: PredictionLoss, _ prediction: [Float], _ target: [Float], batch: Int, threads: Int = 1
  ) -> (value: Double, gradient: [Float]) {
    var gradient = [Float](repeating: .infinity, count: prediction.count)
    let value = loss(
      prediction: prediction, target: target, batch: batch, size: prediction.count / batch,
      gradient: &gradient,
      pool: ThreadPool(threadCount: threads))
    return (value, gradient)
  }

  private let target: [Float] = [10, 10, 10, 10, 10, 10, 10, 10]
  private let prediction: [Float] = [10, 10.5, 9.5, 11, 9, 12, 7, 10.25]

  @Test func l1() {
    let (value, gradient) = evaluate(.l1, prediction, target, batch: 2)
    #expect(value == (0 + 0.5 + 0.5 + 1 + 1 + 2 + 3 + 0.25) / 8)
    #expect(gradient == [0, 1, -1, 1, -1, 1, -1, 1].map { $0 / 8 })
  }

  @Test func l2() {
    let (value, gradient) = evaluate(.l2, prediction, target, batch: 4)
    #expect(value == (0 + 0.25 + 0.25 + 1 + 1 + 4 + 9 + 0.0625) / 8)
    #expect(gradient == [0, 1, -1, 2, -2, 4, -6, 0.5].map { $0 / 8 })
  }

  @Test func huber() {
    let (value, gradient) = evaluate(.huber, prediction, target, batch: 1)
    #expect(value == (0 + 0.125 + 0.125 + 0.5 + 0.5 + 1.5 + 2.5 + 0.03125) / 8)
    #expect(gradient == [0, 0.5, -0.5, 1, -1, 1, -1, 0.25].map { $0 / 8 })
  }

  /// A sample's part of the mean and its gradient are multiplied by its weight.
  @Test(arguments: PredictionLoss.allCases) func sampleWeights(loss: PredictionLoss) {
    let parts = (0..<2).map {
      evaluate(loss, Array(prediction[$0 * 4..<$0 * 4 + 4]), Array(target[..<4]), batch: 1)
    }
    var gradient = [Float](repeating: .infinity, count: 8)
    let value = loss(
      prediction: prediction, target: target, batch: 2, size: 4, sampleWeights: [2, 0.5], gradient: &gradient,
      pool: ThreadPool(threadCount: 2))
    #expect(value == (2 * parts[0].value + 0.5 * parts[1].value) / 2)
    #expect(gradient == parts[0].gradient + parts[1].gradient.map { 0.25 * $0 })
  }

  /// A NaN in the prediction or in the target is a NaN in the loss and in the gradient: training must see it.
  @Test(arguments: PredictionLoss.allCases) func nanShows(loss: PredictionLoss) {
    for (prediction, target) in [([1, .nan, 3], [1, 2, 3]), ([1, 2, 3], [1, .nan, 3])] as [([Float], [Float])]
    {
      let (value, gradient) = evaluate(loss, prediction, target, batch: 1)
      #expect(value.isNaN)
      #expect(gradient[0] == 0 && gradient[1].isNaN && gradient[2] == 0)
    }
    #expect(evaluate(loss, [.infinity], [0], batch: 1).value == .infinity)
  }

  @Test(arguments: PredictionLoss.allCases) func threadsDoNotChangeBits(loss: PredictionLoss) {
    let (prediction, target) = (normalValues(7 * 1001, seed: 1), normalValues(7 * 1001, seed: 2))
    let results = comparedThreadCounts.map { evaluate(loss, prediction, target, batch: 7, threads: $0) }
    #expect(results.allSatisfy { $0.value == results[0].value && $0.gradient == results[0].gradient })
  }
}
