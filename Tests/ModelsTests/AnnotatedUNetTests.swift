import Foundation
import Models
import NumericsTestSupport
import Settings
import Testing

@Suite struct AnnotatedUNetTests {
  private struct NamedShape: Decodable {
    let name: String
    let shape: [Int]
  }

  /// The article's model: names, shapes and their number are PyTorch's.
  @Test func parametersAreTheArticles() throws {
    let url = Fixture.url("annotated-unet/parameters-dim-28.json")
    let expected = try JSONDecoder().decode([NamedShape].self, from: Data(contentsOf: url))
    let layout = try model(
      "{kind: annotated-unet, dim: 28, dim_mults: [1, 2, 4], channels: 1, groups: 4}"
    ).parameters
    let shapes = Dictionary(uniqueKeysWithValues: layout.parameters.map { ($0.name, $0.fileShape) })
    #expect(Set(shapes.keys) == Set(expected.map(\.name)))
    for parameter in expected { #expect(shapes[parameter.name] == parameter.shape, "\(parameter.name)") }
    #expect(layout.valueCount == 2_020_257)
  }

  @Test func sizes() throws {
    let model = try model("{kind: annotated-unet, dim: 28, dim_mults: [1, 2, 4], channels: 1}")
    #expect(model.imageChannels == 1 && model.predictionChannels == 1 && model.imageSize == .multiples(of: 4))
    try model.check(height: 28, width: 32, channels: 1)
    try model.check(height: 4, width: 4, channels: 1)

    let channels = try #require(throws: ModelError.self) {
      try model.check(height: 28, width: 28, channels: 3)
    }
    #expect(
      channels.description
        == "the model is made for images of 1 channels, these have 3: set model.channels to 3")
    let height = try #require(throws: ModelError.self) { try model.check(height: 30, width: 28, channels: 1) }
    #expect(
      height.description
        == "the model halves its images 2 times, so their sides must be multiples of 4: height 30 is not; 28 or 32 "
        + "would do")
    let both = try #require(throws: ModelError.self) { try model.check(height: 2, width: 29, channels: 1) }
    #expect(both.description.hasSuffix("height 2 is not; 4 would do; width 29 is not; 28 or 32 would do"))
  }

  /// One stage halves nothing: any size goes.
  @Test func oneStageTakesAnySize() throws {
    let model = try model("{kind: annotated-unet, dim: 8, dim_mults: [2], channels: 3, out_dim: 6}")
    #expect(model.imageSize == .multiples(of: 1) && model.predictionChannels == 6)
    try model.check(height: 1, width: 5, channels: 3)
  }

  @Test(arguments: [
    ("{kind: annotated-unet, dim: 7}", "model.dim: must be even, is 7"),
    ("{kind: annotated-unet, dim: 2}", "model.dim"),
    ("{kind: annotated-unet, dim: 28, init_dim: 20}", "model.init_dim: must equal dim (28), is 20"),
    (
      "{kind: annotated-unet, dim: 28, groups: 3}",
      "model.groups: 3 groups do not divide the 28 channels of a stage"
    ),
    ("{kind: annotated-unet, dim: 28, groups: 8, dim_mults: [2]}", "do not divide the 28 channels"),
    ("{kind: annotated-unet, dim_mults: []}", "model.dim_mults"),
    ("{kind: annotated-unet, dim_mults: [1, 0]}", "model.dim_mults"),
    ("{kind: annotated-unet, channels: 0}", "model.channels"),
    ("{kind: annotated-unet, dims: 28}", "model.dims"),
    ("{kind: annotated-net}", "annotated-unet"),
    ("{dim: 28}", "model.kind"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try model(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }

  @Test func settingsThatCan() throws {
    #expect(try model("{kind: annotated-unet, dim: 28, init_dim: 28}").imageChannels == 3)
    #expect(try model("{kind: annotated-unet}").imageSize == .multiples(of: 8))
  }
}
