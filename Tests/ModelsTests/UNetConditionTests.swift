import Foundation
import Models
import NumericsTestSupport
import Settings
import Tensors
import Testing

@Suite struct UNetConditionTests {
  private func configuration(_ name: String) throws -> UNetConditionSettings {
    let json = try String(contentsOf: Fixture.url("configurations/\(name).json"), encoding: .utf8)
    return try settings(json, UNetConditionSettings.init)
  }

  /// A context's last tokens that do not count, and residuals of a control network.
  @Test func maskedContextAndControl() throws {
    let file = try Fixture.safetensors("unet-condition-controlled")
    for recomputes in [false, true] {
      let pass = try GoldenPass(file, threads: 2, recomputes: recomputes)
      #expect(relativeError(of: pass.output, from: try file.floats("output")) < 1e-4)
      #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < 1e-4)
      try expectGradients(pass.gradients, of: file, within: 1e-4)
    }
  }

  /// What diffusers writes of its class's defaults is read, and they are ours.
  @Test func configurationOfTheDefaults() throws {
    #expect(try configuration("unet-condition") == settings("{}", UNetConditionSettings.init))
  }

  /// Names and shapes of all tensors of Stable Diffusion 1.5.
  @Test func tensorsOfStableDiffusion() throws {
    let model = UNetCondition(try configuration("unet-condition-1.5"))
    let json = try Data(contentsOf: Fixture.url("configurations/stable-diffusion-1.5.json"))
    let expected = try JSONDecoder().decode([String: [Int]].self, from: json)
    let shapes = Dictionary(uniqueKeysWithValues: model.parameters.fileTensors.map { ($0.name, $0.shape) })
    #expect(shapes == expected)
    #expect(model.parameters.valueCount == 859_520_964)
    #expect(model.contextWidth == 768 && model.imageChannels == 4 && model.imageSize == .multiples(of: 8))

    let second = UNetCondition(try configuration("unet-condition-2.1"))
    #expect(second.parameters.valueCount == 865_910_724)
    #expect(second.contextWidth == 1024)
  }

  @Test(arguments: [
    ("class_embed_type: timestep", "model.class_embed_type: expected null"),
    ("addition_embed_type: text_time", "model.addition_embed_type"),
    ("encoder_hid_dim: 12", "model.encoder_hid_dim"),
    ("time_embedding_type: fourier", "model.time_embedding_type"),
    ("attention_type: gated", "model.attention_type"),
    ("dual_cross_attention: true", "model.dual_cross_attention"),
    ("dropout: 1", "model.dropout"),
    ("cross_attention_dim: null", "model.cross_attention_dim: is null"),
    ("cross_attention_dim: [1, 2, 1, 1]", "contexts of several widths"),
    ("attention_head_dim: [8, 8]", "model.attention_head_dim: expected"),
    ("down_block_types: [DownBlock2D]", "model.down_block_types: has 1 blocks"),
    ("mid_block_type: UNetMidBlock2DSimpleCrossAttn", "model.mid_block_type"),
    (
      "down_block_types: [SimpleCrossAttnDownBlock2D, DownBlock2D, DownBlock2D, DownBlock2D]",
      "model.down_block_types: SimpleCrossAttnDownBlock2D"
    ),
    ("norm_num_groups: null", "model.norm_num_groups"),
    ("norm_num_groups: 48", "model.norm_num_groups: 48 groups do not divide the 320 channels"),
    ("conv_in_kernel: 2", "model.conv_in_kernel: must be odd"),
    ("only_cross_attention: [true, false, false, false]", "model.only_cross_attention"),
    ("transformer_layers_per_block: [[1], [1], [1], [1]]", "model.transformer_layers_per_block"),
    ("block_out_chanels: [1]", "did you mean \"block_out_channels\""),
  ])
  func settingsThatCannotBe(line: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) {
      try settings("{\(line)}", UNetConditionSettings.init)
    }
    #expect(error.description.contains(message), "\(error)")
  }
}
