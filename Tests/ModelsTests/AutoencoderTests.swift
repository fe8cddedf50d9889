import Foundation
import Kernels
import Models
import NumericsTestSupport
import Safetensors
import Settings
import Tensors
import Testing

/// A forward and backward pass of a golden case of an autoencoder, in PyTorch's names and layouts.
private struct AutoencoderPass {
  let output: [Float]
  let loss: Double
  let gradients: [String: [Float]]

  init(_ file: SafetensorsFile, threads: Int, recomputes: Bool = false) throws {
    let model = try settings(try #require(file.metadata["model"])) { try AutoencoderKind.model($0) }
    let weights = try goldenWeights(file, model.parameters)
    let gradients = ParameterBuffer(count: model.parameters.flatCount)
    // What is there is to be written over.
    gradients.elements.update(repeating: .nan)
    let tape = Tape(
      engine: Engine(threadCount: threads), weights: weights, gradients: gradients, recomputes: recomputes)
    func input(_ name: String) throws -> Tensor {
      let shape = try file.shape(of: name)
      let input = tape.input([shape[0], shape[2], shape[3], shape[1]])
      _ = input.elements.update(
        fromContentsOf: exchanged(
          try file.floats(name), batch: shape[0], shape[1], shape[2] * shape[3]))
      return input
    }
    let posterior = model.encode(try input("x"))
    let reconstruction = model.decode(posterior.sample(noise: try input("noise")))
    let loss = try #require(file.metadata["loss"].flatMap { PredictionLoss(rawValue: $0) })
    let weight = file.metadata["kl_weight"].flatMap { Float($0) } ?? 0
    let total =
      reconstruction.meanLoss(loss, target: try input("target"))
      + posterior.divergence().scaled(by: weight)
    let shape = reconstruction.shape
    output = exchanged(Array(reconstruction.elements), batch: shape[0], shape[1] * shape[2], shape[3])
    self.loss = Double(total.elements[0])
    tape.backward(from: Loss(total)) { _ in }
    self.gradients = namedGradients(gradients, model.parameters)
    withExtendedLifetime((tape, reconstruction, gradients)) {}
  }
}

@Suite struct AutoencoderTests {
  static let cases = ((try? Fixture.safetensorsNames(in: "autoencoder-kl")) ?? []).map {
    "autoencoder-kl/\($0)"
  }

  @Test func thereAreCases() { #expect(Self.cases.count == 3) }

  @Test(arguments: cases) func outputLossAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors(name)
    let pass = try AutoencoderPass(file, threads: 2)
    #expect(relativeError(of: pass.output, from: try file.floats("output")) < 1e-4)
    #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < 1e-4)
    try expectGradients(pass.gradients, of: file, within: 1e-4)
  }

  @Test(arguments: cases) func neitherThreadsNorRecomputationChangeBits(name: String) throws {
    let file = try Fixture.safetensors(name)
    let first = try AutoencoderPass(file, threads: 1)
    for pass in [
      try AutoencoderPass(file, threads: 2), try AutoencoderPass(file, threads: 5),
      try AutoencoderPass(file, threads: 2, recomputes: true),
    ] {
      #expect(bitPatterns(pass.output) == bitPatterns(first.output))
      #expect(pass.loss == first.loss)
      for (name, gradient) in pass.gradients {
        #expect(first.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name)")
      }
    }
  }

  /// What diffusers writes of its class's defaults is read, and they are ours.
  @Test func configurationOfTheDefaults() throws {
    let json = try String(contentsOf: Fixture.url("configurations/autoencoder-kl.json"), encoding: .utf8)
    #expect(
      try settings(json, AutoencoderKLSettings.init) == (try settings("{}", AutoencoderKLSettings.init)))
  }

  /// The sizes of Stable Diffusion's autoencoder; the numbers are diffusers'.
  @Test func parametersOfStableDiffusion() throws {
    let model = AutoencoderKL(
      try settings(
        """
        {block_out_channels: [128, 256, 512, 512], layers_per_block: 2, sample_size: 512,
        down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D, DownEncoderBlock2D, DownEncoderBlock2D],
        up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D, UpDecoderBlock2D, UpDecoderBlock2D]}
        """, AutoencoderKLSettings.init))
    #expect(model.parameters.valueCount == 83_653_863)
    #expect(model.parameters.fileTensors.count == 248)
    #expect(model.downsampling == 8 && model.latentChannels == 4 && model.scalingFactor == 0.18215)
    try model.check(height: 64, width: 8, channels: 3)
    let error = try #require(throws: ModelError.self) { try model.check(height: 60, width: 8, channels: 3) }
    #expect(error.description.hasSuffix("is 60; 56 or 64 would do"), "\(error)")
  }

  @Test(arguments: [
    ("down_block_types: [AttnDownEncoderBlock2D]", "model.down_block_types: AttnDownEncoderBlock2D"),
    ("block_out_channels: [32, 64]", "model.down_block_types: has 1 blocks"),
    ("norm_num_groups: 48", "model.norm_num_groups: 48 groups do not divide the 64 channels"),
    ("norm_num_groups: null", "model.norm_num_groups"),
    ("latents_mean: [0.0]", "model.latents_mean: expected null"),
    ("act_fn: mish", "model.act_fn"),
    ("latent_chanels: 4", "did you mean \"latent_channels\""),
  ])
  func settingsThatCannotBe(line: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) {
      try settings("{\(line)}", AutoencoderKLSettings.init)
    }
    #expect(error.description.contains(message), "\(error)")
  }
}
