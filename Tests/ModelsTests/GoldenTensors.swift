import Layers
import NumericsTestSupport
import Safetensors
import Tensors
import Testing

// The tensors of a golden case by PyTorch's names: model/NAME and grad/NAME.

/// The weights of a case. It has each of the layout's, and no other.
func goldenWeights(_ file: SafetensorsFile, _ layout: ParameterLayout) throws -> ParameterBuffer {
  let weights = ParameterBuffer(count: layout.flatCount)
  for tensor in layout.fileTensors {
    let name = "model/\(tensor.name)"
    try #require(try file.shape(of: name) == tensor.shape, "\(name)")
    tensor.import(from: try file.floats(name), to: weights.pointer)
  }
  let stored = file.names.filter { $0.hasPrefix("model/") }
  let expected = layout.fileTensors.map(\.name) + layout.batchCounters
  try #require(Set(stored) == Set(expected.map { "model/\($0)" }))
  return weights
}

/// The gradients of what is trained, in PyTorch's order.
func namedGradients(_ gradients: ParameterBuffer, _ layout: ParameterLayout) -> [String: [Float]] {
  Dictionary(
    uniqueKeysWithValues: layout.trained.flatMap(\.fileTensors).map {
      ($0.name, $0.exported(from: gradients.pointer))
    })
}

/// Expects that `gradients` are all of the case's, each of them within a relative error.
func expectGradients(_ gradients: [String: [Float]], of file: SafetensorsFile, within bound: Double) throws {
  func length(_ values: some Sequence<Float>) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }
  #expect(Set(file.names.filter { $0.hasPrefix("grad/") }) == Set(gradients.keys.map { "grad/\($0)" }))
  let expected = try gradients.keys.map { try file.floats("grad/\($0)") }
  let whole = length(expected.joined())
  for (theirs, (name, ours)) in zip(expected, gradients) {
    // Where theirs is nothing but rounding, as of a bias before a normalisation of its channel, so must ours be.
    let isZero = length(theirs) < 1e-6 * whole
    let error =
      isZero ? length(zip(ours, theirs).map { $0 - $1 }) / whole : relativeError(of: ours, from: theirs)
    #expect(error < (isZero ? 1e-6 : bound), "\(name)")
  }
}
