import Kernels
import Tensors

/// 1 and, for some keys of each sample, 0; a sample keeps its first key at least.
func mask(_ shape: [Int], of tape: Tape) -> Tensor {
  let mask = tape.input(shape)
  for index in mask.elements.indices { mask.elements[index] = index % shape[1] % 3 == 1 ? 0 : 1 }
  return mask
}

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
    .init("Kronecker product", [[1, 2, 3], [4, 3, 18]]) { $0[0].kroneckerProduct(with: $0[1]) },
    .init("gated addition", [[2, 3, 5], [2, 3, 5], [2, 15]]) {
      $0[0].adding($0[1], gate: $0[2].columnSlices(3)[1])
    },
    .init("shift, scale and gate of one matrix", [[2, 4, 6], [2, 18]]) {
      let parts = $0[1].columnSlices(3)
      return $0[0].adding(
        $0[0].layerNormalized(modulation: (parts[0], parts[1]), epsilon: 1e-6), gate: parts[2])
    },
    .init("attention of queries, keys and values", [[2, 3, 2, 30]]) { $0[0].selfAttention(heads: 2) },
    // With larger scores the softmax bends too much within a step of the differences.
    .init("attention of many tokens", [[1, 530, 6]], scales: [0.5]) { $0[0].selfAttention(heads: 1) },
    .init("causal attention", [[2, 7, 18]]) { $0[0].selfAttention(heads: 2, isCausal: true) },
    .init("attention with keys left out", [[3, 6, 12]]) {
      $0[0].selfAttention(heads: 2, keyMask: mask([3, 6], of: $0[0].tape))
    },
    .init("attention to other tokens", [[2, 3, 2, 10], [2, 7, 20]]) {
      $0[0].crossAttention(to: $0[1], heads: 2)
    },
    .init("attention to some other tokens", [[3, 4, 6], [3, 5, 12]]) {
      $0[0].crossAttention(to: $0[1], heads: 1, keyMask: mask([3, 5], of: $0[0].tape))
    },
    .init("linear without bias", [[2, 3, 5], [1, 5, 7]]) { $0[0].linear(weights: $0[1]) },
    .init("linear without bias, quick gelu", [[2, 3, 5], [1, 5, 7], [2, 3, 7]]) {
      $0[0].linear(weights: $0[1], activation: .quickGELU, residual: $0[2])
    },
    .init("linear, silu", [[3, 5], [1, 5, 7], [7]]) {
      $0[0].linear(weights: $0[1], bias: $0[2], activation: .silu)
    },
    .init("gated gelu", [[2, 3, 10]]) { $0[0].gatedGELU() },
    .init("quick gelu", [[3, 7]]) { $0[0].quickGELU() },
    .init("approximate gelu", [[3, 7]]) { $0[0].tanhGELU() },
    .init("channels one after the other", [[2, 3, 2, 5], [2, 3, 2, 1], [2, 3, 2, 3]]) {
      .concatenated([$0[0], $0[1], $0[2]], axis: 3)
    },
    .init("tokens one after the other, one of them twice", [[2, 3, 5], [2, 1, 5]]) {
      .concatenated([$0[1], $0[0], $0[1]], axis: 1)
    },
    .init("some channels", [[2, 3, 7]]) { $0[0].part(2..<5, axis: 2) },
    .init("two parts, which overlap", [[2, 5, 3]]) {
      $0[0].part(0..<3, axis: 1) + $0[0].part(2..<5, axis: 1)
    },
    .init("mean over tokens", [[3, 2, 4, 5]]) { $0[0].meanOverTokens() },
    .init("a token of each sample", [[3, 4, 5]]) { $0[0].tokens(at: [3, 0, 3]) },
    .init("rows of unit length", [[3, 7]]) { $0[0].normalizedToUnitLength() },
    .init("in another shape", [[2, 3, 4]]) { ($0[0].reshaped([6, 4]) + $0[0].reshaped([6, 4])).silu() },
    .init("positions added to each image", [[3, 4, 5], [4, 5]]) { $0[0].addingToEachImage($0[1]) },
    .init("assembled patches", [[2, 3, 2, 12]]) { $0[0].unpatchify(side: 2) },
    .init("the same added to each image", [[3, 2, 2, 5]]) {
      let constants = $0[0].tape.input([1, 4, 5])
      for index in constants.elements.indices { constants.elements[index] = Float(index) / 8 }
      return $0[0].addingToEachImage(constants)
    },
  ]
}
