import Kernels
import Models
import NumericsTestSupport
import Safetensors
import Tensors
import Testing

/// A forward and backward pass of a golden case, everything in PyTorch's names and layouts.
struct GoldenPass {
  let output: [Float]
  let loss: Double
  let gradients: [String: [Float]]
  let predictionShape: [Int]
  /// All that lies in the place of gradients, running averages as well, as it is in memory.
  let flat: [Float]
  /// The parameters' offsets, in the order in which their gradients were complete.
  let completed: [Int]
  /// Tensors' buffers in use between the two passes.
  let keptBuffers: Int

  init(_ file: SafetensorsFile, threads: Int, recomputes: Bool = false) throws {
    let model = try model(try #require(file.metadata["model"]))
    let loss = try #require(file.metadata["loss"].flatMap { PredictionLoss(rawValue: $0) })
    let layout = model.parameters

    let weights = ParameterBuffer(count: layout.flatCount)
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
    let gradients = ParameterBuffer(count: layout.flatCount)
    // What is there is to be written over.
    gradients.elements.update(repeating: .nan)
    let engine = Engine(threadCount: threads)
    let tape = Tape(engine: engine, weights: weights, gradients: gradients, recomputes: recomputes)
    let x = tape.input([batch, height, width, shape[1]])
    _ = x.elements.update(
      fromContentsOf: exchanged(try file.floats("x"), batch: batch, shape[1], height * width))
    // What is none of the model's classes says that an image has none.
    let classes = 0..<(model.classes?.count ?? 0)
    let labels =
      file.names.contains("y")
      ? try file.int64s("y").map { classes.contains(Int($0)) ? Int($0) : nil }
      : [Int?](repeating: nil, count: batch)
    let prediction = model(
      x, timesteps: try file.int64s("t").map { Float($0) }, conditioning: Conditioning(classes: labels))
    predictionShape = prediction.shape

    let target = exchanged(
      try file.floats("target"), batch: batch, model.predictionChannels, height * width)
    let gradient = engine.storage(prediction.count)
    self.loss = loss(
      prediction: prediction.elements.baseAddress!, target: target, batch: batch,
      size: prediction.count / batch, gradient: gradient.pointer, pool: engine.threads)
    output = exchanged(
      Array(prediction.elements), batch: batch, height * width, model.predictionChannels)
    keptBuffers = engine.buffersInUse
    tape.clearUnusedGradients(of: layout.parameters)
    var completed: [Int] = []
    tape.backward(from: prediction, gradient: gradient) { completed += $0.map(\.offset) }
    self.completed = completed
    flat = Array(gradients.elements)

    self.gradients = Dictionary(
      uniqueKeysWithValues: layout.trained.map { parameter in
        let values = parameter.exported(from: gradients.pointer)
        return (parameter.name, values)
      })
    withExtendedLifetime((prediction, gradients)) {}
  }
}
