import Kernels
import Layers
import Models
import NumericsTestSupport
import Randomness
import Safetensors
import Settings
import Tensors
import Testing

/// Adapters of a denoiser and of the text encoder that it attends to, trained together, against peft.
/// Generator: Tests/Fixtures/generators/text_adapters.py.
@Suite struct TextAdapterTests {
  private static let folder = "text-adapters"
  private static let names = ["lora", "lora-decomposed", "loha", "lokr"]
  private let bound = 1e-4

  /// A forward and backward pass of a case.
  private struct Pass {
    let output: [Float]
    let loss: Double
    let gradients: [String: [Float]]

    init(_ file: SafetensorsFile, threads: Int = 2, recomputes: Bool = false) throws {
      func section<Value>(_ key: String, _ read: (SettingsReader) throws -> Value) throws -> Value {
        try settings(try #require(file.metadata[key]), read)
      }
      let model = try section("model") { try DenoiserKind.model($0) }
      let encoder = try section("encoder") { try TextEncoderKind.model($0) }
      let adapter = try section("adapter") { reader in
        let settings = try AdapterSettings(reader)
        let targets = try #require(try settings.textTargets(reader))
        let builder = ParameterBuilder("adapter")
        return JointAdapter([
          try settings.adapter(of: model.parameters, in: builder, reader),
          try settings.adapter(
            of: encoder.parameters, targets, key: "text_encoder", in: builder["text_encoder"], reader),
        ])
      }
      let weights = try Self.weights(file, "adapter", adapter.parameters)
      let gradients = ParameterBuffer(count: weights.count)
      let engine = Engine(threadCount: threads)
      let tape = Tape(
        engine: engine,
        sets: [
          BoundParameters(adapter.parameters.set, weights: weights, gradients: gradients),
          BoundParameters(
            model.parameters.set, weights: try Self.weights(file, "model", model.parameters)),
          BoundParameters(
            encoder.parameters.set, weights: try Self.weights(file, "encoder", encoder.parameters)),
        ], recomputes: recomputes, adaptation: adapter)

      let (shape, texts) = (try file.shape(of: "x"), try file.shape(of: "tokens"))
      let numbers = try file.int64s("tokens").map(Int.init)
      let tokens = (0..<texts[0]).map { Array(numbers[$0 * texts[1]..<($0 + 1) * texts[1]]) }
      func image(_ name: String) throws -> Tensor {
        let image = tape.input([shape[0], shape[2], shape[3], shape[1]])
        _ = image.elements.update(
          fromContentsOf: exchanged(
            try file.floats(name), batch: shape[0], shape[1], shape[2] * shape[3]))
        return image
      }
      var conditioning = Conditioning.none(batch: shape[0])
      conditioning.context = encoder(tokens, on: tape).tokens
      let prediction = model(
        try image("x"), timesteps: try file.int64s("t").map { Float($0) }, conditioning: conditioning)
      let loss = prediction.meanLoss(.l2, target: try image("target"))
      output = exchanged(Array(prediction.elements), batch: shape[0], shape[2] * shape[3], shape[1])
      self.loss = Double(loss.elements[0])
      tape.backward(from: Loss(loss)) { _ in }
      self.gradients = namedGradients(gradients, adapter.parameters)
      withExtendedLifetime((prediction, gradients)) {}
    }

    private static func weights(
      _ file: SafetensorsFile, _ prefix: String, _ layout: ParameterLayout
    ) throws -> ParameterBuffer {
      let weights = ParameterBuffer(count: layout.flatCount)
      let stored = file.names.filter { $0.hasPrefix("\(prefix)/") }
      try #require(Set(stored) == Set(layout.fileTensors.map { "\(prefix)/\($0.name)" }))
      for tensor in layout.fileTensors {
        try #require(try file.shape(of: "\(prefix)/\(tensor.name)") == tensor.shape, "\(tensor.name)")
        tensor.import(from: try file.floats("\(prefix)/\(tensor.name)"), to: weights.pointer)
      }
      return weights
    }
  }

  @Test(arguments: names) func outputLossAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors("\(Self.folder)/\(name)")
    let pass = try Pass(file)
    #expect(relativeError(of: pass.output, from: try file.floats("output")) < bound)
    #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < bound)
    try expectGradients(pass.gradients, of: file, within: bound)
    #expect(pass.gradients.keys.contains { $0.hasPrefix("text_encoder.encoder.layers.0.") })
  }

  /// Neither threads nor recomputation change a bit.
  @Test(arguments: names) func bitsAreTheSame(name: String) throws {
    let file = try Fixture.safetensors("\(Self.folder)/\(name)")
    let expected = try Pass(file, threads: 1)
    for (threads, recomputes) in [(3, false), (2, true)] {
      let pass = try Pass(file, threads: threads, recomputes: recomputes)
      #expect(bitPatterns(pass.output) == bitPatterns(expected.output))
      for (name, gradient) in pass.gradients {
        #expect(expected.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name)")
      }
    }
  }

  /// A text encoder whose parameters follow the denoiser's in one set has the same gradients as one with a set of its own.
  @Test func parametersOfBothCanShareASet() throws {
    let file = try Fixture.safetensors("\(Self.folder)/lora")
    let tokens = [[18, 4, 7, 19, 19, 19, 19], [18, 3, 19, 19, 19, 19, 19]]
    func gradients(isShared: Bool) throws -> [String: [Float]] {
      let builder = ParameterBuilder("denoiser")
      let model = try settings(try #require(file.metadata["model"])) { try DenoiserKind.model($0, builder) }
      let alone = try settings(try #require(file.metadata["encoder"])) { try TextEncoderKind.model($0) }
      let encoder = isShared ? alone.placed(in: builder["text_encoder"]) : alone
      let layouts = isShared ? [encoder.parameters] : [model.parameters, encoder.parameters]
      let prefix = isShared ? "" : "text_encoder."
      let sets = try layouts.enumerated().map { index, layout in
        let weights = ParameterBuffer(count: layout.flatCount)
        for tensor in layout.fileTensors {
          let name = (index == 1 ? prefix : "") + tensor.name
          let stored =
            name.hasPrefix("text_encoder.")
            ? "encoder/\(name.dropFirst("text_encoder.".count))" : "model/\(name)"
          tensor.import(from: try file.floats(stored), to: weights.pointer)
        }
        return BoundParameters(
          layout.set, weights: weights, gradients: ParameterBuffer(count: layout.flatCount))
      }
      let tape = Tape(engine: Engine(threadCount: 2), sets: sets)
      let x = tape.input([2, 8, 8, 2])
      RandomStream(seed: 2, purpose: .noise).fillNormal(x.elements)
      var conditioning = Conditioning.none(batch: 2)
      conditioning.context = encoder(tokens, on: tape).tokens
      let prediction = model(x, timesteps: [3, 621], conditioning: conditioning)
      tape.backward(from: Loss(prediction.meanLoss(.l2, target: x))) { _ in }
      let named = zip(sets, layouts).enumerated().flatMap { index, pair in
        namedGradients(pair.0.gradients ?? pair.0.weights, pair.1).map {
          ((index == 1 ? prefix : "") + $0.key, $0.value)
        }
      }
      return Dictionary(uniqueKeysWithValues: named)
    }
    let (shared, apart) = (try gradients(isShared: true), try gradients(isShared: false))
    #expect(Set(shared.keys) == Set(apart.keys))
    for (name, gradient) in shared {
      #expect(apart[name].map(bitPatterns) == bitPatterns(gradient), "\(name)")
    }
    #expect(shared["text_encoder.embeddings.token_embedding.weight"]?.contains { $0 != 0 } == true)
  }
}
