import Foundation
import Pictures
import Safetensors
import TestSupport
import Testing

/// Runs that train a control network beside a frozen denoiser.
@Suite struct ControlRunTests {
  /// The shapes of `Trial.dataset` with their edges.
  private static let dataset = Result<TemporaryDirectory, any Error> {
    let folder = try TemporaryDirectory()
    let run = try oboro([
      "prepare", "shapes", "--output", "\(folder.path)/data", "--count", "40", "--size", "8", "--channels",
      "1", "--condition", "edges", "--condition", "blur",
    ])
    try #require(run.exitStatus == 0, "\(run)")
    return folder
  }

  private static let denoiser =
    "{kind: unet-condition, in_channels: 1, out_channels: 1, block_out_channels: [4, 8], down_block_types: [DownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, UpBlock2D], mid_block_type: UNetMidBlock2D, norm_num_groups: 2, layers_per_block: 1, num_class_embeds: 8, attention_head_dim: 2}"
  private static let quiet = [
    "sampling.every=0", "training.steps=4", "optimizer.learning_rate=0.01", "diffusion.timesteps=20",
  ]

  private static func path() throws -> String { "\(try dataset.get().path)/data" }

  /// A trained denoiser, made once.
  private static let base = Result {
    let trial = try Trial()
    try trial.trainToEnd(settings: ["model=\(denoiser)"] + quiet, dataset: path())
    return trial
  }

  private static func control(
    _ keys: String = "conditioning_channels: 1, conditioning_embedding_out_channels: [4]"
  ) throws -> [String] {
    ["model={kind: controlnet, \(keys)}", "base=\(try base.get().run)"] + quiet
  }

  private static let trained = Result {
    let trial = try Trial()
    try trial.trainToEnd(
      "sampling.every=4", settings: control() + ["conditioning.condition_dropout=0.3"], dataset: path())
    return trial
  }

  /// The ranks do not show, nor that the run was stopped; the base stays as it is.
  @Test func ranksAndResumingChangeNothing() throws {
    let base = try Self.base.get()
    let before = try content("\(base.checkpoint(4))/model.h5")
    let reference = try Self.trained.get()
    let settings = try Self.control() + ["conditioning.condition_dropout=0.3", "sampling.every=4"]
    for ranks in [2, 4] {
      let trial = try Trial()
      try trial.trainToEnd(settings: settings, ranks: ranks, dataset: Self.path())
      let comparison = try oboro(["compare", reference.run, trial.run])
      #expect(comparison.exitStatus == 0, "\(comparison)")
      #expect(
        try content("\(trial.run)/samples/\(stepName(4)).png")
          == content("\(reference.run)/samples/\(stepName(4)).png"))
    }
    let resumed = try Trial()
    try resumed.trainToEnd("training.steps=2", settings: settings, dataset: Self.path())
    try resumed.trainToEnd(
      "training.steps=4", "training.recompute=true", settings: settings, ranks: 2, dataset: Self.path())
    let comparison = try oboro(["compare", reference.run, resumed.run])
    #expect(comparison.exitStatus == 0, "\(comparison)")
    #expect(try content("\(base.checkpoint(4))/model.h5") == before)
  }

  /// Before the first step the encoder is the base's, and nothing is added to what that predicts: the pictures are those of
  /// the base alone.
  @Test func itBeginsAsACopyThatChangesNothing() throws {
    let trial = try Trial()
    try trial.trainToEnd(
      "optimizer.learning_rate=0", settings: Self.control(), dataset: Self.path())
    let files = try [Self.base.get().run, trial.run].enumerated().map { index, run in
      let path = "\(trial.path)/\(index).safetensors"
      try #require(try oboro(["convert", run, path]).exitStatus == 0)
      return try SafetensorsFile(path: path)
    }
    let copied = files[1].names.filter { !$0.hasPrefix("controlnet_") }
    #expect(copied.contains("mid_block.resnets.0.conv1.weight") && copied.contains("class_embedding.weight"))
    for name in copied { #expect(try files[0].floats(name) == files[1].floats(name), "\(name)") }
    for name in ["controlnet_mid_block.weight", "controlnet_cond_embedding.conv_out.weight"] {
      #expect(try files[1].floats(name).allSatisfy { $0 == 0 }, "\(name)")
    }
    let picture = "\(trial.path)/edges.png"
    try Self.edges().writePNG(to: picture)
    #expect(try sample(trial.run, ["--control", picture]) == sample(Self.base.get().run))
  }

  /// Draws two images, and gives their numbers.
  private func sample(_ run: String, _ arguments: [String] = [], ranks: Int? = nil) throws -> Data {
    let folder = try TemporaryDirectory()
    let result = try oboro(
      ["sample", "--checkpoint", run, "--output", "\(folder.path)/out"] + arguments
        + ["--count", "2", "--steps", "2", "--format", "numpy"], ranks: ranks)
    try #require(result.exitStatus == 0, "\(result)")
    return try content("\(folder.path)/out/samples.npy")
  }

  private static func edges(_ shift: Int = 0) -> Picture {
    Picture(width: 8, height: 8, channels: 1, samples: (0..<64).map { ($0 + shift) % 8 == 2 ? 255 : 0 })
  }

  /// Out of the run as diffusers' folder, by it into a checkpoint, and beside the base: the same samples as of the run.
  @Test func samplesOfRunFolderAndCheckpointAreTheSame() throws {
    let run = try Self.trained.get().run
    let base = try Self.base.get().run
    let trial = try Trial()
    let pictures = try [0, 1].map { index in
      let path = "\(trial.path)/\(index).png"
      try Self.edges(index).writePNG(to: path)
      return path
    }
    let folder = "\(trial.path)/controlnet"
    let file = "\(trial.path)/control.safetensors"
    for arguments in [[run, folder, "--format", "diffusers"], [run, file]] {
      let result = try oboro(["convert"] + arguments)
      try #require(result.exitStatus == 0, "\(result)")
    }
    #expect(text("\(folder)/config.json").contains("\"_class_name\": \"ControlNetModel\""))
    let configuration = """
      dataset: {path: "\(try Self.path())"}
      model: {kind: controlnet}
      base: "\(base)"
      diffusion: {timesteps: 20}

      """
    try configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    let restored = ["\(trial.path)/restored", "\(trial.path)/again"]
    for (input, output) in zip([folder, file], restored) {
      let result = try oboro(
        ["convert", input, output, "--size", "8x8"]
          + (input == folder ? ["--config", trial.configuration] : []))
      try #require(result.exitStatus == 0, "\(result)")
    }
    let reference = try sample(run, ["--control", "\(pictures[0]):0.7"])
    for other in restored { #expect(try sample(other, ["--control", "\(pictures[0]):0.7"]) == reference) }
    for network in [run, folder, file] {
      #expect(
        try sample(base, ["--control-network", network, "--control", "\(pictures[0]):0.7"]) == reference)
    }
    #expect(try sample(run, ["--control", "\(pictures[0]):0.7"], ranks: 2) == reference)
    #expect(try sample(run, ["--control", "\(pictures[0]):0"]) == sample(base))
    #expect(try sample(run, ["--control", pictures[0]]) != reference)
    // Several at once: of one network as of two that are the same; one that does not count changes nothing.
    let both = try sample(run, ["--control", "\(pictures[0]):0.7", pictures[1]])
    #expect(both != reference)
    #expect(
      try sample(run, ["--control-network", folder, "--control", "\(pictures[0]):0.7", pictures[1]]) == both)
    #expect(try sample(run, ["--control", "\(pictures[0]):0.7", "\(pictures[1]):0"]) == reference)
  }

  @Test func whatCannotBe() throws {
    let trial = try Trial()
    func train(_ settings: [String], _ more: String..., dataset: String? = nil) throws -> ProcessRun {
      try oboro(trial.arguments(settings + more, dataset: dataset ?? Self.path()))
    }
    let control = try Self.control()
    expectFailure(
      try train(control.filter { !$0.hasPrefix("base") }), 64, "model.kind: controlnet is trained beside")
    expectFailure(
      try train(control, "adapter={rank: 2}"), 64, "adapter: is no part of training a control network")
    expectFailure(
      try train(control, "conditioning.condition=depth"), 64, "has no condition depth", "but edges, blur")
    expectFailure(try train(control, dataset: Trial.path()), 64, "holds no condition")
    expectFailure(
      try train(Self.control("conditioning_channels: 3, conditioning_embedding_out_channels: [4]")), 64,
      "its edges are [8, 8, 1]", "[8, 8, 3]")
    expectFailure(
      try train(
        Self.control(
          "conditioning_channels: 1, conditioning_embedding_out_channels: [4], layers_per_block: 2")), 64,
      "the residuals have")
    let sample = ["sample", "--checkpoint", try Self.trained.get().run, "--output", "\(trial.path)/out"]
    expectFailure(try oboro(sample), 64, "give it one with --control")
    let measured = try oboro([
      "evaluate", "--checkpoint", Self.trained.get().run, "--dataset", Self.path(),
    ])
    expectFailure(measured, 64, "the model is a control network")
  }

  /// Of a denoiser whose last convolution is zero nothing would ever be learned.
  @Test func anUntrainedBaseIsRefused() throws {
    let trial = try Trial()
    let file = "\(trial.path)/base.safetensors"
    try #require(try oboro(["convert", Self.base.get().run, file]).exitStatus == 0)
    let trained = try SafetensorsFile(path: file)
    var zero = SafetensorsWriter(metadata: trained.metadata)
    for name in trained.names {
      let values = try trained.floats(name)
      zero.add(
        name, shape: try trained.shape(of: name),
        floats: name == "conv_out.weight" ? values.map { _ in 0 } : values)
    }
    try zero.write(to: file)
    let settings = try Self.control().map { $0.hasPrefix("base=") ? "base=\(file)" : $0 }
    expectFailure(
      try oboro(trial.arguments(settings, dataset: Self.path())), 64, "\(file): has not been trained")
  }

  /// On latents the condition is as large as the images, and reaches them by `encode`.
  @Test func onLatentsOfPicturesWithAFolderOfConditions() throws {
    let trial = try Trial()
    let (pictures, drawings) = ("\(trial.path)/pictures", "\(trial.path)/drawings")
    for folder in [pictures, drawings] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/a", withIntermediateDirectories: true)
    }
    for index in 0..<12 {
      let samples = (0..<256).map { UInt8(($0 * (index + 3) * 7 + index) % 256) }
      try Picture(width: 16, height: 16, channels: 1, samples: samples)
        .writePNG(to: "\(pictures)/a/\(index).png")
      try Picture(
        width: 32, height: 32, channels: 1, samples: [UInt8](repeating: UInt8(20 * index), count: 1024)
      )
      .writePNG(to: "\(drawings)/a/\(index).png")
    }
    let images = ["prepare", "images", "--source", pictures, "--output", "\(trial.path)/data"]
    let prepared = try oboro(images + ["--condition", drawings])
    #expect(
      prepared.exitStatus == 0 && prepared.output.contains("drawings: condition, uint8 16 x 16 x 1"),
      "\(prepared)")
    let autoencoder = try AutoencoderRunTests.trained.get()
    let encoded = try oboro([
      "encode", "--autoencoder", autoencoder.run, "--dataset", "\(trial.path)/data", "--output",
      "\(trial.path)/latents",
    ])
    try #require(encoded.exitStatus == 0, "\(encoded)")
    let latents = ["autoencoder.path=\(autoencoder.run)"]
    let base = try Trial()
    let model = Self.denoiser.replacingOccurrences(of: "_channels: 1", with: "_channels: 2")
    try base.trainToEnd(
      settings: ["model=\(model)"] + Self.quiet + latents, dataset: "\(trial.path)/latents")
    let control = [
      "model={kind: controlnet, conditioning_channels: 1, conditioning_embedding_out_channels: [4, 4]}",
      "base=\(base.run)", "sampling.every=4",
    ]
    try trial.trainToEnd(
      settings: Self.quiet + latents + control, ranks: 2, dataset: "\(trial.path)/latents")
    #expect(exists("\(trial.run)/samples/\(stepName(4)).png"))
    _ = try sample(trial.run, ["--control", "\(pictures)/a/3.png"])

    try FileManager.default.removeItem(atPath: "\(drawings)/a/7.png")
    expectFailure(
      try oboro(images + ["--condition", drawings]), 65, "\(drawings): has no picture a/7.png")
    expectFailure(
      try oboro([
        "prepare", "shapes", "--output", "\(trial.path)/shapes", "--count", "2", "--condition", drawings,
      ]), 64, "expected edges, blur or mask")
  }
}
