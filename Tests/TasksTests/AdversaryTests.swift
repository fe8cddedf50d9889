import Kernels
import Layers
import Models
import NumericsTestSupport
import Safetensors
import Settings
import Tasks
import Tensors
import Testing

/// The losses of an autoencoder with LPIPS and a discriminator, and every gradient of both networks, beside PyTorch's.
@Suite struct AdversaryTests {
  static let cases = ((try? Fixture.safetensorsNames(in: "adversary")) ?? []).map { "adversary/\($0)" }

  @Test func thereAreCases() { #expect(Self.cases.count == 3) }

  /// A step's forward and backward pass of a case.
  private struct Pass {
    let total: Double
    /// By the task's names.
    let parts: [String: Double]
    let gradients: [String: [Float]]

    init(_ file: SafetensorsFile, threads: Int, recomputes: Bool = false) throws {
      let builder = ParameterBuilder("autoencoder")
      func reader(_ key: String) throws -> SettingsReader {
        try SettingsReader(SettingsNode(yaml: try #require(file.metadata[key]), source: key), path: key)
      }
      let model = try AutoencoderKind.model(reader("model"), builder)
      var adversary: Adversary?
      if file.metadata["discriminator"] != nil {
        let settings = try reader("discriminator")
        adversary = Adversary(
          PatchDiscriminator(
            try PatchDiscriminatorSettings(settings), channels: model.imageChannels, builder["discriminator"]),
          start: 0, weight: try settings.value("weight", default: 1.0, help: ""))
      }
      let layout = builder.layout
      let weights = try Self.weights(file, layout) { "model/\($0)" }
      var perceptual: PerceptualTerm?
      if let factor = file.metadata["perceptual_weight"].flatMap({ Double($0) }) {
        let (lpips, weights) = try Self.lpips(file.path)
        perceptual = PerceptualTerm(lpips, weights: weights, factor: factor)
      }
      let shape = try file.shape(of: "x")
      let task = AutoencoderTask(
        model, parameters: layout,
        loss: try #require(file.metadata["loss"].flatMap { PredictionLoss(rawValue: $0) }),
        divergenceWeight: try #require(file.metadata["kl_weight"].flatMap { Double($0) }),
        perceptual: perceptual, adversary: adversary, imageShape: [shape[2], shape[3], shape[1]], seed: 0)
      let gradients = ParameterBuffer(count: layout.flatCount)
      // What is there is to be written over.
      gradients.elements.update(repeating: .nan)
      let tape = Tape(
        engine: Engine(threadCount: threads),
        sets: [BoundParameters(layout.set, weights: weights, gradients: gradients)] + task.frozen,
        recomputes: recomputes)
      let losses = task.losses(of: try Self.input("x", of: file, on: tape), isJudged: adversary != nil) { _ in
        (try? Self.input("noise", of: file, on: tape)) ?? tape.zeros([0])
      }
      tape.backward(from: losses.total) { _ in }
      total = losses.total.value
      parts = Dictionary(uniqueKeysWithValues: zip(task.lossNames, losses.parts))
      self.gradients = Dictionary(
        uniqueKeysWithValues: layout.trained.flatMap(\.fileTensors).map {
          ($0.name, $0.exported(from: gradients.pointer))
        })
      withExtendedLifetime((tape, gradients)) {}
    }

    /// The LPIPS of a case, as wide as its tensors are.
    private static func lpips(_ path: String) throws -> (LPIPS, ParameterBuffer) {
      let place = path.split(separator: "/")
      let file = try Fixture.safetensors(
        "adversary/lpips/\(try #require(place.last).dropLast(".safetensors".count))")
      let widths = try ["1.0", "2.5", "3.10", "4.17", "5.24"].map {
        try #require(try file.shape(of: "net.slice\($0).weight").first)
      }
      let model = LPIPS(widths: widths)
      return (model, try weights(file, model.parameters) { $0 })
    }

    private static func weights(
      _ file: SafetensorsFile, _ layout: ParameterLayout, name: (String) -> String
    ) throws -> ParameterBuffer {
      let weights = ParameterBuffer(count: layout.flatCount)
      for tensor in layout.fileTensors {
        try #require(try file.shape(of: name(tensor.name)) == tensor.shape, "\(tensor.name)")
        tensor.import(from: try file.floats(name(tensor.name)), to: weights.pointer)
      }
      return weights
    }

    /// [B, C, H, W] of the file as [B, H, W, C].
    private static func input(_ name: String, of file: SafetensorsFile, on tape: Tape) throws -> Tensor {
      let shape = try file.shape(of: name)
      let (channels, pixels) = (shape[1], shape[2] * shape[3])
      let input = tape.input([shape[0], shape[2], shape[3], channels])
      let values = try file.floats(name)
      for index in values.indices {
        let (image, pixel, channel) = (
          index / (channels * pixels), index / channels % pixels, index % channels
        )
        input.elements[index] = values[(image * channels + channel) * pixels + pixel]
      }
      return input
    }
  }

  @Test(arguments: cases) func lossesAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors(name)
    let pass = try Pass(file, threads: 2)
    #expect(relativeError(of: [pass.total], from: try file.doubles("loss")) < 1e-4)
    for (part, value) in pass.parts {
      #expect(relativeError(of: [value], from: try file.doubles(part)) < 1e-4, "\(part)")
    }
    let expected = Set(file.names.filter { $0.hasPrefix("grad/") })
    #expect(expected == Set(pass.gradients.keys.map { "grad/\($0)" }))
    let all = try pass.gradients.keys.map { try file.floats("grad/\($0)") }
    let whole = all.joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    for (name, ours) in pass.gradients {
      let theirs = try file.floats("grad/\(name)")
      let length = theirs.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let distance = zip(ours, theirs).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
      // Where theirs is nothing but rounding, so must ours be.
      #expect(distance < (length < 1e-6 * whole ? 1e-6 * whole : 2e-4 * length), "\(name)")
    }
  }

  @Test(arguments: cases) func neitherThreadsNorRecomputationChangeBits(name: String) throws {
    let file = try Fixture.safetensors(name)
    let first = try Pass(file, threads: 1)
    for pass in [try Pass(file, threads: 3), try Pass(file, threads: 2, recomputes: true)] {
      #expect(pass.total == first.total && pass.parts == first.parts)
      for (name, gradient) in pass.gradients {
        #expect(first.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name)")
      }
    }
  }

  @Test func sizesThatCannotBe() throws {
    let discriminator = PatchDiscriminator(
      try PatchDiscriminatorSettings(SettingsReader(.empty)), channels: 3, ParameterBuilder("test"))
    try discriminator.check(height: 24, width: 31)
    let error = try #require(throws: ModelError.self) { try discriminator.check(height: 24, width: 23) }
    #expect(error.description.contains("width is 23: with 3 layers it must be at least 24"), "\(error)")
    try LPIPS.check(height: 16, width: 16, channels: 1)
    #expect(throws: ModelError.self) { try LPIPS.check(height: 15, width: 16, channels: 1) }
    #expect(throws: ModelError.self) { try LPIPS.check(height: 16, width: 16, channels: 2) }
    // The published sizes; the number is that of NLayerDiscriminator without its 1x1 normalisations' running averages.
    let layout = LPIPS().parameters
    #expect(layout.valueCount == 14_714_688 + 64 + 128 + 256 + 512 + 512)
  }
}
