import Kernels
import Models
import NumericsTestSupport
import Safetensors
import Tensors
import Testing

/// A forward and backward pass of a golden case, everything in PyTorch's names and layouts.
private struct Pass {
  let output: [Float]
  let loss: Double
  let gradients: [String: [Float]]
  let predictionShape: [Int]

  init(_ file: SafetensorsFile, threads: Int) throws {
    let model = try model(try #require(file.metadata["model"]))
    let loss = try #require(file.metadata["loss"].flatMap { PredictionLoss(rawValue: $0) })
    let layout = model.parameters

    let weights = FlatMemory(count: layout.flatCount)
    for parameter in layout.parameters {
      let name = "model/\(parameter.name)"
      try #require(try file.shape(of: name) == parameter.fileShape, "\(name)")
      parameter.import(from: try file.floats(name), to: weights.pointer)
    }
    let stored = file.names.filter { $0.hasPrefix("model/") }
    let expected = layout.parameters.map(\.name) + layout.batchCounters
    try #require(Set(stored) == Set(expected.map { "model/\($0)" }))

    let shape = try file.shape(of: "x")
    let (batch, height, width) = (shape[0], shape[2], shape[3])
    let gradients = FlatMemory(count: layout.flatCount)
    let engine = Engine(threadCount: threads)
    let tape = Tape(engine: engine, weights: weights, gradients: gradients)
    let x = tape.input([batch, height, width, shape[1]])
    _ = x.elements.update(
      fromContentsOf: exchanged(try file.floats("x"), batch: batch, shape[1], height * width))
    // What is none of the model's classes says that an image has none.
    let classes = 0..<(model.classes?.count ?? 0)
    let labels =
      file.names.contains("y")
      ? try file.int64s("y").map { classes.contains(Int($0)) ? Int($0) : nil }
      : [Int?](repeating: nil, count: batch)
    let prediction = model(x, timesteps: try file.int64s("t").map(Int.init), labels: labels)
    predictionShape = prediction.shape

    let target = exchanged(
      try file.floats("target"), batch: batch, model.predictionChannels, height * width)
    let gradient = engine.storage(prediction.count)
    self.loss = loss(
      prediction: prediction.elements.baseAddress!, target: target, batch: batch,
      size: prediction.count / batch, gradient: gradient.pointer, pool: engine.threads)
    output = exchanged(
      Array(prediction.elements), batch: batch, height * width, model.predictionChannels)
    tape.backward(from: prediction, gradient: gradient)

    self.gradients = Dictionary(
      uniqueKeysWithValues: layout.trained.map { parameter in
        var values = [Float](repeating: .nan, count: parameter.count)
        parameter.export(from: gradients.pointer, to: &values)
        return (parameter.name, values)
      })
    withExtendedLifetime((prediction, gradients)) {}
  }
}

/// Every model against PyTorch in double precision, on the cases that `generators` made of it.
@Suite struct GoldenTests {
  /// KIND/NAME of every case, for every kind that a configuration can name.
  private static let cases = ModelKind.allCases.flatMap { kind in
    names(of: kind).map { "\(kind.rawValue)/\($0)" }
  }
  private let bound = 1e-4

  private func length(_ values: some Sequence<Float>) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  private static func names(of kind: ModelKind) -> [String] {
    (try? Fixture.safetensorsNames(in: kind.rawValue)) ?? []
  }

  @Test(arguments: ModelKind.allCases) func everyKindHasCases(kind: ModelKind) {
    #expect(Self.names(of: kind).count >= 2)
  }

  @Test(arguments: cases) func outputLossAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors(name)
    let pass = try Pass(file, threads: 2)
    let shape = try file.shape(of: "output")
    #expect(pass.predictionShape == [shape[0], shape[2], shape[3], shape[1]])
    #expect(relativeError(of: pass.output, from: try file.floats("output")) < bound)
    #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < bound)
    #expect(Set(file.names.filter { $0.hasPrefix("grad/") }) == Set(pass.gradients.keys.map { "grad/\($0)" }))
    let expected = try pass.gradients.keys.map { try file.floats("grad/\($0)") }
    let whole = length(expected.joined())
    for (theirs, (name, ours)) in zip(expected, pass.gradients) {
      // Where theirs is nothing but rounding, as of a bias before a normalisation of its channel, so must ours be.
      let isZero = length(theirs) < 1e-6 * whole
      let error =
        isZero ? length(zip(ours, theirs).map { $0 - $1 }) / whole : relativeError(of: ours, from: theirs)
      #expect(error < (isZero ? 1e-6 : bound), "\(name)")
    }
  }

  @Test(arguments: cases) func threadsDoNotChangeBits(name: String) throws {
    let file = try Fixture.safetensors(name)
    let first = try Pass(file, threads: 1)
    for threads in comparedThreadCounts.dropFirst() {
      let pass = try Pass(file, threads: threads)
      #expect(bitPatterns(pass.output) == bitPatterns(first.output), "\(threads) threads")
      #expect(pass.loss == first.loss, "\(threads) threads")
      for (name, gradient) in pass.gradients {
        #expect(
          first.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name), \(threads) threads")
      }
    }
  }
}
