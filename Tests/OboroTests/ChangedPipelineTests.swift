import Foundation
import NumericsTestSupport
import Pictures
import Safetensors
import TestSupport
import Testing

/// A pipeline with a control network, or with adapters: what diffusers draws is drawn here.
/// Generator: Tests/Fixtures/generators/changed_pipelines.py.
@Suite struct ChangedPipelineTests {
  private static let drawn = Fixture.url("pipelines/sd1-changed.safetensors").path
  private static let lora = Fixture.url("pipelines/sd1-lora.safetensors").path
  private static let plain = Fixture.url("pipelines/sd1").path

  /// The pipeline with its control network, in a folder of its own.
  private func controlled(in place: TemporaryDirectory) throws -> String {
    let folder = "\(place.path)/pipeline"
    try copy(Self.plain, to: folder)
    try copy(Fixture.url("pipelines/sd1-controlnet").path, to: "\(folder)/controlnet")
    let index = "\(folder)/model_index.json"
    let changed = text(index).replacing(
      "\"unet\"", with: "\"controlnet\": [\"diffusers\", \"ControlNetModel\"], \"unet\"")
    try changed.write(toFile: index, atomically: true, encoding: .utf8)
    return folder
  }

  private func picture(in place: TemporaryDirectory) throws -> String {
    let path = "\(place.path)/picture.png"
    let values = try SafetensorsFile(path: Self.drawn).floats("picture")
    try Picture(width: 16, height: 16, channels: 3, samples: values.map { UInt8($0) }).writePNG(to: path)
    return path
  }

  private func arguments(
    _ folder: String, _ place: TemporaryDirectory, latents: String = drawn
  ) -> [String] {
    [
      "sample", "--checkpoint", folder, "--output", "\(place.path)/samples", "--latents", latents,
      "--prompt",
      "a photo of a cat", "Two red houses by the sea, isn't it?", "--negative-prompt", "blurry", "--sampler",
      "ddim", "--steps", "10", "--format", "numpy",
    ]
  }

  private func expect(
    _ key: String, of file: String = drawn, _ run: ProcessRun, _ place: TemporaryDirectory
  ) throws {
    try #require(run.exitStatus == 0, "\(run)")
    let bytes = try content("\(place.path)/samples/samples.npy")
    let found = bytes[(10 + (Int(bytes[8]) | Int(bytes[9]) << 8))...]
      .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let expected = try SafetensorsFile(path: file).floats(key)
    try #require(found.count == expected.count)
    let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(largest < 1e-4, "\(key): \(largest)")
  }

  @Test(arguments: [nil, 2] as [Int?]) func controlledByAPicture(ranks: Int?) throws {
    let place = try TemporaryDirectory()
    let options = ["--control", "\(try picture(in: place)):0.7"]
    let run = try oboro(arguments(controlled(in: place), place) + options, ranks: ranks)
    try expect("controlled", run, place)
  }

  /// Adapters of U-Net and text encoder, as diffusers has saved them and under kohya's names.
  @Test(arguments: [nil, "kohya", "diffusers"] as [String?]) func changedByAdapters(format: String?) throws {
    let place = try TemporaryDirectory()
    var file = Self.lora
    if let format {
      file = "\(place.path)/converted.safetensors"
      let run = try oboro(["convert", Self.lora, file, "--format", format])
      try #require(run.exitStatus == 0, "\(run)")
    }
    try expect("adapted", oboro(arguments(Self.plain, place) + ["--adapter", "\(file):0.8"]), place)
  }

  /// Adapters of both under kohya's names for a pipeline with a second encoder, and decomposed ones of diffusers; under the
  /// names of the other as well. Generator: text_adapter_files.py.
  @Test(arguments: [("kohya", "0.8"), ("decomposed", "1")], [nil, "kohya", "diffusers"] as [String?])
  func changedByAdaptersOfOthers(adapter: (name: String, weight: String), format: String?) throws {
    let place = try TemporaryDirectory()
    var file = Fixture.url("pipelines/sd1-lora-\(adapter.name).safetensors").path
    if let format {
      let converted = "\(place.path)/converted.safetensors"
      let run = try oboro(["convert", file, converted, "--format", format])
      try #require(run.exitStatus == 0, "\(run)")
      file = converted
    }
    let drawn = Fixture.url("pipelines/sd1-adapted.safetensors").path
    let run = try oboro(
      arguments(Self.plain, place, latents: drawn) + ["--adapter", "\(file):\(adapter.weight)"])
    try expect(adapter.name, of: drawn, run, place)
  }

  /// A copy of the pipeline with both adapters in its weights draws the same.
  @Test func adaptersAreMergedIntoACopy() throws {
    let place = try TemporaryDirectory()
    let output = "\(place.path)/merged"
    let merged = try oboro([
      "convert", Self.plain, output, "--merge", "--format", "diffusers", "--adapter", "\(Self.lora):0.8",
    ])
    try #require(merged.exitStatus == 0, "\(merged)")
    try expect("adapted", oboro(arguments(output, place)), place)
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let place = try TemporaryDirectory()
    let picture = try picture(in: place)
    expectFailure(
      try oboro(arguments(Self.plain, place) + ["--control", picture]), 64, "has no control network")
    let folder = try controlled(in: place)
    expectFailure(try oboro(arguments(folder, place)), 64, "give it one with --control")
    let small = "\(place.path)/small.png"
    try Picture(width: 8, height: 16, channels: 1, samples: [UInt8](repeating: 9, count: 128)).writePNG(
      to: small)
    expectFailure(
      try oboro(arguments(folder, place) + ["--control", small]), 65, "is 16x8 (height x width)", "sees 16x16"
    )
    let kohya = try SafetensorsFile(path: Fixture.url("pipelines/sd1-lora-kohya.safetensors").path)
    var wrong = SafetensorsWriter(metadata: kohya.metadata)
    for name in kohya.names {
      wrong.add(
        name.replacing("lora_te1_text_model_encoder_layers_2", with: "lora_te1_text_model_encoder_layers_9"),
        shape: try kohya.shape(of: name), floats: try kohya.floats(name))
    }
    try wrong.write(to: "\(place.path)/wrong.safetensors")
    expectFailure(
      try oboro(arguments(Self.plain, place) + ["--adapter", "\(place.path)/wrong.safetensors"]), 65,
      "has an adapter of encoder.layers.9.", "which is no linear layer or convolution of the model")
    expectFailure(
      try oboro(["convert", Self.lora, "\(place.path)/adapter", "--format", "peft"]), 65,
      "peft has a file for each model")
  }
}
