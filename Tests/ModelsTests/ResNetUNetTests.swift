import Models
import Settings
import Testing

@Suite struct ResNetUNetTests {
  /// As many as PyTorch counts in the article's class.
  @Test func parametersAreTheArticles() throws {
    #expect(try model("{kind: resnet-unet}").parameters.valueCount == 30_455_691)
    #expect(
      try model("{kind: resnet-unet, dim: 28, dim_mults: [1, 2, 4], channels: 1, groups: 4}").parameters
        .valueCount == 1_614_793)
  }

  @Test func namesAreTheArticles() throws {
    let names = Set(
      try model("{kind: resnet-unet, dim: 8, dim_mults: [1, 2]}").parameters.parameters.map(\.name))
    for name in [
      "init_conv.weight", "time_mlp.1.weight", "time_mlp.3.bias", "downs.0.0.mlp.1.weight",
      "downs.0.0.res_conv.weight", "downs.0.1.block1.proj.weight", "downs.0.2.fn.fn.to_out.1.bias",
      "downs.0.3.conv.weight", "mid_attn.fn.fn.to_qkv.weight", "ups.0.3.trans_conv.weight",
      "final_conv.0.block2.norm.weight", "final_conv.1.bias",
    ] {
      #expect(names.contains(name), "\(name)")
    }
    // No change of size at the lowest resolution, no time in the last block.
    #expect(!names.contains { $0.hasPrefix("downs.1.3") || $0.hasPrefix("final_conv.0.mlp") })
  }

  @Test func withoutTimeThereAreNoLayersForIt() throws {
    let names = try model("{kind: resnet-unet, dim: 8, time_embedding: false}").parameters.parameters.map(
      \.name)
    #expect(!names.contains { $0.contains("mlp") })
  }

  @Test func sizes() throws {
    let model = try model("{kind: resnet-unet, dim: 24, dim_mults: [1, 2, 4], channels: 1, out_dim: 2}")
    #expect(model.imageChannels == 1 && model.predictionChannels == 2 && model.imageSize == .multiples(of: 4))
    #expect(model.classes == nil)
    try model.check(height: 4, width: 12, channels: 1)
    #expect(throws: ModelError.self) { try model.check(height: 6, width: 12, channels: 1) }
  }

  /// Two thirds of dim, in whole thirds, as the article has it.
  @Test(arguments: [(64, 42), (28, 18), (4, 2)]) func initialChannels(dim: Int, expected: Int) throws {
    let layout = try model("{kind: resnet-unet, dim: \(dim), groups: 1}").parameters
    #expect(layout.parameters[0].fileShape == [expected, 3, 7, 7])
    let given = try model("{kind: resnet-unet, dim: \(dim), groups: 1, init_dim: 5}").parameters
    #expect(given.parameters[0].fileShape == [5, 3, 7, 7])
  }

  @Test(arguments: [
    ("{kind: resnet-unet, dim: 7, groups: 1}", "model.dim: must be even, is 7"),
    ("{kind: resnet-unet, dim: 2}", "model.dim"),
    ("{kind: resnet-unet, dim_mults: [2, 4]}", "model.dim_mults: must begin with 1, begins with 2"),
    ("{kind: resnet-unet, dim: 28}", "model.groups: 8 groups do not divide the 28 channels of a stage"),
    ("{kind: resnet-unet, dim_mults: []}", "model.dim_mults"),
    ("{kind: resnet-unet, dim_mults: [1, 0]}", "model.dim_mults"),
    ("{kind: resnet-unet, init_dim: 0}", "model.init_dim"),
    ("{kind: resnet-unet, out_dim: 0}", "model.out_dim"),
    ("{kind: resnet-unet, channels: 0}", "model.channels"),
    ("{kind: resnet-unet, groups: 0}", "model.groups"),
    ("{kind: resnet-unet, time_embedding: 3}", "model.time_embedding"),
    ("{kind: resnet-unet, time_embeding: true}", "time_embedding"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try model(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }

  /// Without sines and cosines, any width goes.
  @Test func oddWidthWithoutTime() throws {
    #expect(try model("{kind: resnet-unet, dim: 7, groups: 7, time_embedding: false}").imageChannels == 3)
  }
}
