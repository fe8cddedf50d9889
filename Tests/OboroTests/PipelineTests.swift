import Foundation
import NumericsTestSupport
import Safetensors
import TestSupport
import Testing

/// Pipeline folders of diffusers: what it draws from given noise is drawn here, and what is exported is read again.
@Suite struct PipelineTests {
  private static let folder = Fixture.url("pipelines/ddpm").path
  private static let drawn = Fixture.url("pipelines/drawn.safetensors").path

  /// The float32 elements of a NumPy file, whose header is checked to have `shape`.
  private func array(_ path: String, shape: String) throws -> [Float] {
    let bytes = try content(path)
    let length = Int(bytes[8]) | Int(bytes[9]) << 8
    let header = String(decoding: bytes[10..<10 + length], as: UTF8.self)
    #expect(header.contains("'descr': '<f4', 'fortran_order': False, 'shape': \(shape)"), "\(header)")
    return bytes[(10 + length)...].withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  @Test(arguments: ["ddim", "euler", "heun", "dpm++-2m", "unipc"], [nil, 2] as [Int?])
  func itDrawsWhatDiffusersDraws(sampler: String, ranks: Int?) throws {
    let output = try TemporaryDirectory()
    let run = try oboro(
      [
        "sample", "--checkpoint", Self.folder, "--output", output.path, "--latents", Self.drawn, "--steps",
        "5",
        "--sampler", sampler, "--format", "numpy",
      ], ranks: ranks)
    try #require(run.exitStatus == 0, "\(run)")
    let found = try array("\(output.path)/samples.npy", shape: "(2, 8, 12, 3)")
    let expected = try SafetensorsFile(path: Self.drawn).floats(sampler)
    #expect(found.count == expected.count)
    let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
    let scale = expected.map(abs).max() ?? 0
    #expect(largest < 1e-4 * max(scale, 1), "\(sampler): \(largest) of \(scale)")
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let output = try TemporaryDirectory()
    func fail(_ status: Int32, _ message: String, _ options: String..., checkpoint: String = Self.folder)
      throws
    {
      let run = try oboro(
        ["sample", "--checkpoint", checkpoint, "--output", "\(output.path)/samples"] + options)
      expectFailure(run, status, message)
    }
    try fail(64, "--latents holds noise for 2 images", "--latents", Self.drawn, "--count", "3")
    try fail(64, "--class all draws", "--latents", Self.drawn, "--class", "all")
    try fail(64, "--gif is of --format png", "--gif", "--format", "numpy")
    let other = "\(Self.folder)/unet/diffusion_pytorch_model.safetensors"
    try fail(65, "has no latents", "--latents", other)
    let copied = "\(output.path)/copied"
    try copy(Self.folder, to: copied)
    let index = "\(copied)/model_index.json"
    try text(index).replacingOccurrences(of: "UNet2DModel", with: "Transformer2DModel")
      .write(toFile: index, atomically: true, encoding: .utf8)
    try fail(65, "Transformer2DModel, which is not computed here", checkpoint: copied)
  }

  /// A folder becomes a checkpoint, which can be trained, and that a folder again.
  @Test func aFolderBecomesACheckpointAndAFolder() throws {
    let place = try TemporaryDirectory()
    let (checkpoint, folder) = ("\(place.path)/checkpoint", "\(place.path)/folder")
    let read = try oboro(["convert", Self.folder, checkpoint])
    try #require(read.exitStatus == 0, "\(read)")
    let written = try oboro(["convert", checkpoint, folder, "--format", "diffusers"])
    try #require(written.exitStatus == 0, "\(written)")
    let file = "unet/diffusion_pytorch_model.safetensors"
    let (before, after) = (
      try SafetensorsFile(path: "\(Self.folder)/\(file)"), try SafetensorsFile(path: "\(folder)/\(file)")
    )
    #expect(before.names.sorted() == after.names.sorted())
    for name in before.names { #expect(try before.floats(name) == after.floats(name), "\(name)") }
    func images(_ checkpoint: String) throws -> Data {
      let output = "\(place.path)/samples"
      let run = try oboro([
        "sample", "--checkpoint", checkpoint, "--output", output, "--latents", Self.drawn, "--steps", "5",
        "--sampler", "ddim", "--spacing", "trailing", "--format", "numpy",
      ])
      try #require(run.exitStatus == 0, "\(run)")
      return try content("\(output)/samples.npy")
    }
    #expect(try images(folder) == images(Self.folder))
  }
}
