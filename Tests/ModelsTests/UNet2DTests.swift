import Foundation
import Models
import NumericsTestSupport
import Settings
import Testing

@Suite struct UNet2DTests {
  /// What diffusers writes of its class's defaults is read, and they are ours; the number is diffusers'.
  @Test func configurationOfTheDefaults() throws {
    let json = try String(contentsOf: Fixture.url("configurations/unet-2d.json"), encoding: .utf8)
    let written = try settings(json, UNet2DSettings.init)
    #expect(try written == settings("{}", UNet2DSettings.init))
    #expect(UNet2D(written).parameters.valueCount == 274_056_163)
  }

  /// The configuration of DDPM for CIFAR-10 (Ho et al., 2020); the number is diffusers'.
  @Test func parametersOfDDPM() throws {
    let model = try model(
      """
      {kind: unet-2d, sample_size: 32, block_out_channels: [128, 256, 256, 256], attention_head_dim: null,
      down_block_types: [DownBlock2D, AttnDownBlock2D, DownBlock2D, DownBlock2D],
      up_block_types: [UpBlock2D, UpBlock2D, AttnUpBlock2D, UpBlock2D],
      downsample_padding: 0, flip_sin_to_cos: false, freq_shift: 1, norm_eps: 1e-06, _class_name: UNet2DModel}
      """)
    #expect(model.parameters.valueCount == 35_746_307)
    #expect(model.imageChannels == 3 && model.imageSize == .multiples(of: 8) && model.classes == nil)
    let error = try #require(throws: ModelError.self) { try model.check(height: 32, width: 32, channels: 1) }
    #expect(error.description.hasSuffix("set model.in_channels to 1"), "\(error)")
  }

  @Test func nullIsWhatNoneIs() throws {
    let none = try settings(
      "{attention_head_dim: null, mid_block_type: null, add_attention: null, center_input_sample: null, "
        + "flip_sin_to_cos: null, downsample_type: null, upsample_type: null, num_class_embeds: null, "
        + "attn_norm_num_groups: null, time_embedding_dim: null, class_embed_type: null, sample_size: null}",
      UNet2DSettings.init)
    #expect(none.headWidth == nil && !none.hasMiddle && !none.middleAttends && !none.common.cosinesFirst)
    #expect(
      !none.common.centersInput && !none.resnetDownsamples && !none.resnetUpsamples
        && none.common.classes == nil)
    #expect(none.middleAttentionGroups == 32 && none.common.embeddingWidth == 896)
    #expect(try settings("{}", UNet2DSettings.init).headWidth == 8)
  }

  @Test(arguments: [
    ("class_embed_type: timestep", "model.class_embed_type: expected null"),
    ("time_embedding_type: fourier", "model.time_embedding_type"),
    ("dropout: 1", "model.dropout"),
    ("downsample_type: fir", "model.downsample_type: fir cannot be computed here"),
    ("upsample_type: fir", "model.upsample_type: fir cannot be computed here"),
    ("down_block_types: [DownBlock2D]", "model.down_block_types: has 1 blocks"),
    (
      "up_block_types: [SkipUpBlock2D, UpBlock2D, UpBlock2D, UpBlock2D]",
      "model.up_block_types: SkipUpBlock2D"
    ),
    ("mid_block_type: UNetMidBlock2DCrossAttn", "model.mid_block_type"),
    ("norm_num_groups: null", "model.norm_num_groups"),
    ("norm_num_groups: 48", "model.norm_num_groups: 48 groups do not divide the 224 channels"),
    ("attention_head_dim: 500", "model.attention_head_dim: a head of 500 channels is wider than the 448"),
    ("attn_norm_num_groups: 5", "model.attn_norm_num_groups"),
    ("act_fn: mish", "model.act_fn"),
    ("block_out_chanels: [1]", "did you mean \"block_out_channels\""),
  ])
  func settingsThatCannotBe(line: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try settings("{\(line)}", UNet2DSettings.init) }
    #expect(error.description.contains(message), "\(error)")
  }
}
