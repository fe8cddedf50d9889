import Foundation
import NumericsTestSupport
import Pictures
import Safetensors
import TestSupport
import Testing

/// Pipelines that read prompts: what diffusers draws with its Stable Diffusion of random weights is drawn here.
/// Generator: Tests/Fixtures/generators/text_pipelines.py.
@Suite struct TextPipelineTests {
  private static let prompts = ["a photo of a cat", "Two red houses by the sea, isn't it?"]

  private static func folder(_ name: String) -> String { Fixture.url("pipelines/\(name)").path }
  private static func drawn(_ name: String) -> String { Fixture.url("pipelines/\(name).safetensors").path }

  /// The arguments of a call as diffusers was called.
  private func arguments(_ family: String, _ output: String, _ options: [String] = []) -> [String] {
    [
      "sample", "--checkpoint", Self.folder(family), "--output", output, "--latents", Self.drawn(family),
      "--prompt",
    ] + Self.prompts + ["--negative-prompt", "blurry"] + options
  }

  private func expectDrawn(
    _ family: String, _ key: String, _ options: [String], steps: Int = 50, ranks: Int? = nil
  ) throws {
    let output = try TemporaryDirectory()
    let run = try oboro(
      arguments(family, output.path, options + ["--steps", "\(steps)", "--format", "numpy"]), ranks: ranks)
    try #require(run.exitStatus == 0, "\(run)")
    let bytes = try content("\(output.path)/samples.npy")
    let found = bytes[(10 + (Int(bytes[8]) | Int(bytes[9]) << 8))...]
      .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let expected = try SafetensorsFile(path: Self.drawn(family)).floats(key)
    try #require(found.count == expected.count)
    let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(largest < 1e-4, "\(family), \(key): \(largest)")
  }

  @Test(arguments: ["sd1", "sd2"], ["ddim", "euler", "dpm++-2m"])
  func itDrawsWhatDiffusersDraws(family: String, sampler: String) throws {
    // Guidance is 7.5 unless told otherwise.
    try expectDrawn(family, sampler, ["--sampler", sampler])
  }

  /// Generator: Tests/Fixtures/generators/learned_words.py.
  @Test func aLearnedWordIsThatOfDiffusers() throws {
    let output = try TemporaryDirectory()
    let drawn = Self.drawn("sd1-word-drawn")
    let run = try oboro([
      "sample", "--checkpoint", Self.folder("sd1"), "--output", output.path, "--latents", drawn, "--prompt",
      "a photo of a <fox>", "Two red <fox>es by the sea", "--negative-prompt", "blurry", "--embedding",
      Self.drawn("sd1-word"), "--sampler", "ddim", "--steps", "50", "--format", "numpy",
    ])
    try #require(run.exitStatus == 0, "\(run)")
    let bytes = try content("\(output.path)/samples.npy")
    let found = bytes[(10 + (Int(bytes[8]) | Int(bytes[9]) << 8))...]
      .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let expected = try SafetensorsFile(path: drawn).floats("ddim")
    try #require(found.count == expected.count)
    #expect(zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity < 1e-4)
  }

  @Test func ranksShareThePrompts() throws {
    try expectDrawn("sd2", "ddim", ["--sampler", "ddim", "--guidance", "7.5"], ranks: 2)
  }

  @Test func layersOfTheTextEncoderCanBeSkipped() throws {
    try expectDrawn("sd2", "clip_skip", ["--sampler", "ddim", "--clip-skip", "1"])
  }

  /// A picture of the fixture as a file: values up to `most` are samples up to 255.
  private func picture(_ key: String, in folder: String, most: Float) throws -> String {
    let file = try SafetensorsFile(path: Self.drawn("sd1"))
    let shape = try file.shape(of: key)
    let path = "\(folder)/\(key).png"
    try Picture(
      width: shape[1], height: shape[0], channels: shape.count == 3 ? 3 : 1,
      samples: try file.floats(key).map { UInt8($0 / most * 255) }
    ).writePNG(to: path)
    return path
  }

  @Test func imagesAreDrawnFromImages() throws {
    let place = try TemporaryDirectory()
    let image = ["--image", try picture("image", in: place.path, most: 255), "--strength", "0.5"]
    let mask = ["--mask", try picture("mask", in: place.path, most: 1)]
    try expectDrawn("sd1", "image_to_image", ["--sampler", "ddim"] + image, steps: 20)
    try expectDrawn("sd1", "inpainted", ["--sampler", "ddim"] + image + mask, steps: 20)
  }

  @Test func anImageMustFit() throws {
    let place = try TemporaryDirectory()
    let image = try picture("image", in: place.path, most: 255)
    let small = "\(place.path)/small.png"
    try Picture(width: 15, height: 16, channels: 1, samples: [UInt8](repeating: 9, count: 240)).writePNG(
      to: small)
    func fail(_ status: Int32, _ message: String, _ options: [String]) throws {
      let run = try oboro(
        [
          "sample", "--checkpoint", Self.folder("sd1"), "--output", "\(place.path)/samples", "--prompt", "x",
          "--steps", "1",
        ] + options)
      expectFailure(run, status, message)
      #expect(!FileManager.default.fileExists(atPath: "\(place.path)/samples"))
    }
    try fail(65, "must be of one size", ["--image", image, "--mask", small])
    try fail(64, "width must be a multiple of it, is 15", ["--image", small])
    try fail(64, "--strength is of --image", ["--strength", "0.5"])
    try fail(64, "--strength must be above 0", ["--image", image, "--strength", "0"])
    try fail(64, "--mask is of --image", ["--mask", small])
  }

  /// The text chunks of a PNG file.
  private func texts(_ path: String) throws -> [String: String] {
    let bytes = Array(try content(path))
    var texts: [String: String] = [:]
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      let data = bytes[place + 8..<place + 8 + length]
      let type = String(decoding: bytes[place + 4..<place + 8], as: UTF8.self)
      if ["tEXt", "iTXt"].contains(type), let end = data.firstIndex(of: 0) {
        let text = data[(end + (type == "tEXt" ? 1 : 5))...]
        texts[String(decoding: data[..<end], as: UTF8.self)] = String(decoding: text, as: UTF8.self)
      }
      place += 12 + length
    }
    return texts
  }

  @Test func picturesSayWhatTheyAre() throws {
    let output = try TemporaryDirectory()
    let run = try oboro([
      "sample", "--checkpoint", Self.folder("sd1"), "--output", output.path, "--prompt", "a cat",
      "--prompt", "ein Käfer", "--count", "3", "--steps", "2", "--seed", "7", "--gif",
    ])
    try #require(run.exitStatus == 0, "\(run)")
    // The folder's PNDMScheduler.
    #expect(run.errors.contains("PNDMScheduler is taken as ddim"))
    let last = try texts("\(output.path)/00002.png")
    #expect(last["prompt"] == "a cat" && last["image"] == "2" && last["seed"] == "7")
    #expect(last["sampler"] == "ddim" && last["steps"] == "2" && last["guidance"] == "7.5")
    #expect(last["model_digest"]?.count == 64 && last["negative_prompt"] == nil)
    #expect(try texts("\(output.path)/00001.png")["prompt"] == "ein Käfer")
    #expect(try !content("\(output.path)/grid.png").isEmpty)
    #expect(try !content("\(output.path)/denoising.gif").isEmpty)
  }

  @Test func aPromptThatIsTooLongIsReported() throws {
    let output = try TemporaryDirectory()
    let long = [String](repeating: "cat", count: 30_000).joined(separator: " ")
    let run = try oboro([
      "sample", "--checkpoint", Self.folder("sd1"), "--output", output.path, "--prompt", long, "--steps", "1",
    ])
    #expect(run.exitStatus == 0, "\(run.errors.suffix(400))")
    #expect(run.errors.contains("is too long: its last"), "\(run.errors.suffix(400))")
  }

  /// In chunks, as other programs draw of them (`long_prompts.py`); the shorter one has empty chunks behind it.
  @Test func longPromptsGoInChunks() throws {
    let output = try TemporaryDirectory()
    let file = try SafetensorsFile(path: Self.drawn("sd1-long"))
    let prompt = try #require(file.metadata["prompt"])
    for ranks in [nil, 2] {
      let run = try oboro(
        [
          "sample", "--checkpoint", Self.folder("sd1"), "--output", output.path, "--latents",
          Self.drawn("sd1-long"), "--prompt", prompt, "a photo of a cat", "--negative-prompt", "blurry",
          "--long-prompts", "--sampler", "ddim", "--steps", "50", "--format", "numpy",
        ], ranks: ranks)
      try #require(run.exitStatus == 0 && !run.errors.contains("too long"), "\(run)")
      let bytes = try content("\(output.path)/samples.npy")
      let found = bytes[(10 + (Int(bytes[8]) | Int(bytes[9]) << 8))...]
        .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      let expected = try file.floats("ddim")
      try #require(found.count == expected.count)
      let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
      #expect(largest < 1e-4, "\(largest)")
    }
  }

  @Test func aPromptMayBeEmpty() throws {
    let output = try TemporaryDirectory()
    let run = try oboro([
      "sample", "--checkpoint", Self.folder("sd1"), "--output", output.path, "--prompt", "", "--steps", "1",
    ])
    #expect(run.exitStatus == 0, "\(run)")
  }
}
