import Kernels
import Tensors

extension OperationCase {
  /// What transformers are made of.
  static let transformers: [OperationCase] = [
    .init("linear on tokens, gelu", [[2, 3, 5], [1, 5, 7], [7]]) {
      $0[0].linear(weights: $0[1], bias: $0[2], activation: .gelu)
    },
    .init("linear on images, approximate gelu", [[2, 3, 2, 5], [1, 5, 18], [18]]) {
      $0[0].linear(weights: $0[1], bias: $0[2], activation: .tanhGELU)
    },
    .init("linear with a residual, gelu", [[2, 3, 5], [1, 5, 7], [7], [2, 3, 7]]) {
      $0[0].linear(weights: $0[1], bias: $0[2], activation: .gelu, residual: $0[3])
    },
    .init("linear, its input as residual", [[2, 3, 5], [1, 5, 5], [5]]) {
      $0[0].linear(weights: $0[1], bias: $0[2], residual: $0[0])
    },
    .init("layer normalization and its input", [[2, 5, 6]]) { $0[0].layerNormalized(epsilon: 1e-6) + $0[0] },
    .init("layer normalization", [[2, 5, 6]]) { $0[0].layerNormalized(epsilon: 1e-6) },
    .init("layer normalization with gain", [[2, 3, 2, 18], [18], [18]], offsets: [1, 1]) {
      $0[0].layerNormalized(gamma: $0[1], beta: $0[2], epsilon: 1e-5)
    },
    .init("layer normalization, modulated", [[3, 5, 6], [3, 18]]) {
      let parts = $0[1].columnSlices(3)
      return $0[0].layerNormalized(modulation: (parts[2], parts[0]), epsilon: 1e-6)
    },
    .init("layer normalization, all", [[2, 70, 12], [12], [12], [2, 24]], offsets: [0, 1]) {
      let parts = $0[3].columnSlices(2)
      return $0[0].layerNormalized(
        gamma: $0[1], beta: $0[2], modulation: (parts[0], parts[1]), epsilon: 1e-5)
    },
    .init("gated addition", [[2, 3, 5], [2, 3, 5], [2, 15]]) {
      $0[0].adding($0[1], gate: $0[2].columnSlices(3)[1])
    },
    .init("shift, scale and gate of one matrix", [[2, 4, 6], [2, 18]]) {
      let parts = $0[1].columnSlices(3)
      return $0[0].adding(
        $0[0].layerNormalized(modulation: (parts[0], parts[1]), epsilon: 1e-6), gate: parts[2])
    },
    .init("attention of queries, keys and values", [[2, 3, 2, 30]]) { $0[0].attended(heads: 2) },
    // With larger scores the softmax bends too much within a step of the differences.
    .init("attention of many tokens", [[1, 530, 6]], scales: [0.5]) { $0[0].attended(heads: 1) },
    .init("assembled patches", [[2, 3, 2, 12]]) { $0[0].unpatchify(side: 2) },
    .init("the same added to each image", [[3, 2, 2, 5]]) {
      let constants = $0[0].tape.input([1, 4, 5])
      for index in constants.elements.indices { constants.elements[index] = Float(index) / 8 }
      return $0[0].addingToEachImage(constants)
    },
  ]
}
