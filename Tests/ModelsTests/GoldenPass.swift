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

    let weights = try goldenWeights(file, layout)
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
    var conditioning = Conditioning(classes: labels)
    if file.names.contains("context") {
      let context = tape.input(try file.shape(of: "context"))
      _ = context.elements.update(fromContentsOf: try file.floats("context"))
      conditioning.context = context
    }
    if file.names.contains("lengths") {
      conditioning.contextLengths = try file.int64s("lengths").map(Int.init)
    }
    if file.names.contains("control/middle") {
      func residual(_ name: String) throws -> Tensor {
        let shape = try file.shape(of: "control/\(name)")
        let residual = tape.input([shape[0], shape[2], shape[3], shape[1]])
        _ = residual.elements.update(
          fromContentsOf: exchanged(
            try file.floats("control/\(name)"), batch: shape[0], shape[1], shape[2] * shape[3]))
        return residual
      }
      let skips = file.names.count { $0.hasPrefix("control/") } - 1
      conditioning.control = .init(
        skips: try (0..<skips).map { try residual(String($0)) }, middle: try residual("middle"))
    }
    let prediction = model(
      x, timesteps: try file.int64s("t").map { Float($0) }, conditioning: conditioning)
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

    self.gradients = namedGradients(gradients, layout)
    withExtendedLifetime((prediction, gradients)) {}
  }
}
