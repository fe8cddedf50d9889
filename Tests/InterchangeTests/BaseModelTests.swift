import Foundation
import Interchange
import NumericsTestSupport
import Settings
import TestSupport
import Testing

/// What a configuration takes over from its base.
@Suite struct BaseModelTests {
  private static func pipeline(_ name: String) -> String { Fixture.url("pipelines/\(name)").path }

  private func completed(_ yaml: String) throws -> SettingsNode {
    try BaseModel.completing(SettingsNode(yaml: yaml, source: "test"))
  }

  /// Numbers and names of the folders' `config.json` and `scheduler_config.json`.
  @Test(arguments: [
    (
      "sd1",
      [
        "model.kind": "unet-condition", "diffusion.timesteps": "1000", "diffusion.schedule": "scaled-linear",
        "diffusion.beta_start": "0.00085", "diffusion.beta_end": "0.012", "diffusion.prediction": "epsilon",
        "autoencoder.scaling_factor": "0.3",
      ]
    ),
    ("sd2", ["diffusion.prediction": "v", "diffusion.schedule": "scaled-linear"]),
  ]) func aPipelineSaysWhatItWasTrainedWith(name: String, expected: [String: String]) throws {
    let path = Self.pipeline(name)
    let node = try completed("{base: \(path), autoencoder: {path: \(path)}, adapter: {rank: 2}}")
    for (key, value) in expected { #expect(node[key]?.json.trimmed == value, "\(key)") }
  }

  /// Which steps sampling takes is of no interest here.
  @Test func anyClassOfSchedulerSaysWhatItWasTrainedWith() throws {
    let place = try TemporaryDirectory()
    let folder = "\(place.path)/pipeline"
    try FileManager.default.copyItem(atPath: Self.pipeline("sd2"), toPath: folder)
    let file = "\(folder)/scheduler/scheduler_config.json"
    let written = try String(contentsOfFile: file, encoding: .utf8)
    let other = written.replacing(/"_class_name": "[A-Za-z]*"/, with: "\"_class_name\": \"LCMScheduler\"")
    #expect(other != written)
    try other.write(toFile: file, atomically: true, encoding: .utf8)
    let node = try completed("{base: \(folder), adapter: {rank: 2}}")
    #expect(node["diffusion.prediction"]?.json.trimmed == "v")
  }

  /// Keys that say nothing of the network's function are the configuration's own.
  @Test func whatIsSaidHolds() throws {
    let node = try completed(
      "{base: \(Self.pipeline("sd1")), diffusion: {loss: l1, weighting: min-snr}, autoencoder: {path: a, scaling_factor: 2}}"
    )
    #expect(node["diffusion.loss"]?.json.trimmed == "l1")
    #expect(node["diffusion.weighting"]?.json.trimmed == "min-snr")
    #expect(node["diffusion.schedule"]?.json.trimmed == "scaled-linear")
    #expect(node["autoencoder.scaling_factor"]?.json == "2")
  }

  /// The βs of a schedule belong to it: another schedule has its own.
  @Test func anotherScheduleHasItsOwnBetas() throws {
    let node = try completed("{base: \(Self.pipeline("sd1")), diffusion: {schedule: cosine}}")
    #expect(node["diffusion.schedule"]?.json.trimmed == "cosine" && node["diffusion.beta_start"] == nil)
    #expect(node["diffusion.timesteps"]?.json == "1000")
  }

  /// Values that are no sections are left to the reader, whose error says where they are.
  @Test(arguments: ["diffusion: 3", "autoencoder: hello", "model: [1]"])
  func whatIsNoSectionIsLeft(given: String) throws {
    let node = try completed("{base: \(Self.pipeline("sd1")), \(given)}")
    let key = String(given.prefix { $0 != ":" })
    #expect(node[key]?.entries == nil && node[key] != nil)
  }

  @Test func anEmptySectionIsFilled() throws {
    let node = try completed("{base: \(Self.pipeline("sd1")), diffusion: , model: }")
    #expect(node["diffusion.schedule"]?.json.trimmed == "scaled-linear")
    #expect(node["model.kind"]?.json.trimmed == "unet-condition")
  }

  @Test(arguments: ["adapter: {rank: 2}", "inversion: {word: <a>}", "model: {kind: controlnet}"])
  func aFrozenBaseRefusesAnotherProcess(section: String) throws {
    let yaml = "{base: \(Self.pipeline("sd1")), diffusion: {prediction: v}, \(section)}"
    let error = try #require(throws: ModelFileError.self) { try completed(yaml) }
    #expect(
      error.description.hasSuffix(
        "and is not trained further: diffusion.prediction: epsilon, now v: leave these keys out"), "\(error)")
    _ = try completed("{base: \(Self.pipeline("sd1")), diffusion: {prediction: v}}")
  }
}

extension String {
  /// Without the quotes of JSON.
  fileprivate var trimmed: String { filter { $0 != "\"" } }
}
