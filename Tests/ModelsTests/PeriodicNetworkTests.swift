import Layers
import Models
import NumericsTestSupport
import Randomness
import Settings
import Tensors
import Testing

/// Networks with `padding: periodic` have no edges: what moves across one edge comes in at the opposite one.
@Suite struct PeriodicNetworkTests {
  private static let down = "down_block_types: [DownBlock2D, CrossAttnDownBlock2D]"
  private static let condition = """
    {block_out_channels: [4, 8], layers_per_block: 1, norm_num_groups: 2, attention_head_dim: 2,
    in_channels: 2, cross_attention_dim: 3, \(down),
    """
  private static let control =
    "\(condition) kind: controlnet, conditioning_channels: 1, conditioning_embedding_out_channels: [4, 4]"
  private static let networks = [
    """
    {kind: unet-2d, in_channels: 2, out_channels: 2, block_out_channels: [4, 8], layers_per_block: 1,
    norm_num_groups: 2, attention_head_dim: 4, down_block_types: [DownBlock2D, AttnDownBlock2D],
    up_block_types: [AttnUpBlock2D, UpBlock2D]
    """,
    """
    \(condition) kind: unet-condition, out_channels: 2, up_block_types: [CrossAttnUpBlock2D, UpBlock2D]
    """,
    """
    {kind: autoencoder-kl, in_channels: 2, out_channels: 2, latent_channels: 2, block_out_channels: [4, 8],
    norm_num_groups: 2, down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D],
    up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D]
    """,
    control,
  ]
  private static let side = 8

  /// Images [side, side, channels] moved by `rows` and `columns`, round the edges.
  private func moved(_ image: [Float], channels: Int, _ rows: Int, _ columns: Int, side: Int = side)
    -> [Float]
  {
    (0..<image.count).map { place in
      let (channel, x, y) = (place % channels, place / channels % side, place / channels / side)
      let from = ((y + rows) % side * side + (x + columns) % side) * channels + channel
      return image[from]
    }
  }

  private func random(_ count: Int, _ seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer { RandomStream(seed: seed, purpose: .noise).fillNormal($0) }
    return values
  }

  /// What a network makes of an image [side, side, 2] and of a condition [2 side, 2 side, 1], [side, side, channels].
  private func output(_ yaml: String, _ image: [Float], _ condition: [Float]) throws -> (
    values: [Float], channels: Int
  ) {
    func pass(_ layout: ParameterLayout, _ body: (Tensor) -> Tensor) -> (values: [Float], channels: Int) {
      let weights = ParameterBuffer(count: layout.flatCount)
      for (place, value) in random(weights.count, 3).enumerated() { weights.elements[place] = 0.3 * value }
      let tape = Tape(engine: Engine(threadCount: 1), weights: weights, gradients: nil)
      let x = tape.input([1, Self.side, Self.side, 2])
      _ = x.elements.update(fromContentsOf: image)
      let output = body(x)
      precondition(output.shape.prefix(3) == [1, Self.side, Self.side], "\(output.shape)")
      return (Array(output.elements), output.shape[3])
    }
    func conditioning(_ tape: Tape) -> Conditioning {
      var conditioning = Conditioning.none(batch: 1)
      let context = tape.input([1, 2, 3])
      _ = context.elements.update(fromContentsOf: random(6, 4))
      conditioning.context = context
      return conditioning
    }
    if yaml.contains("autoencoder-kl") {
      let model = try settings(yaml) { try AutoencoderKind.model($0) }
      return pass(model.parameters) { model.decode(model.encode($0).mean) }
    }
    if yaml.contains("controlnet") {
      let network = try settings(yaml, ControlKind.model)
      return pass(network.parameters) { x in
        let seen = x.tape.input([1, 2 * Self.side, 2 * Self.side, 1])
        _ = seen.elements.update(fromContentsOf: condition)
        return network(x, timesteps: [7], condition: seen, conditioning: conditioning(x.tape)).skips[1]
      }
    }
    let model = try model(yaml)
    return pass(model.parameters) { x in
      model(
        x, timesteps: [7], conditioning: model.contextWidth == nil ? .none(batch: 1) : conditioning(x.tape))
    }
  }

  @Test(arguments: networks) func whatMovesAcrossAnEdgeComesInAtTheOppositeOne(network: String) throws {
    let (image, condition) = (random(2 * Self.side * Self.side, 1), random(4 * Self.side * Self.side, 2))
    for (padding, isMoved) in [("periodic", true), ("zeros", false)] {
      let yaml = "\(network), padding: \(padding)}"
      let (plain, channels) = try output(yaml, image, condition)
      let shifted = try output(
        yaml, moved(image, channels: 2, 2, 6), moved(condition, channels: 1, 4, 12, side: 2 * Self.side))
      let error = relativeError(of: shifted.values, from: moved(plain, channels: channels, 2, 6))
      #expect(isMoved ? error < 1e-4 : error > 1e-2, "\(padding): \(error)")
    }
  }

  /// A control network pads as the denoiser does from which it begins.
  @Test func aControlNetworkPadsAsItsDenoiser() throws {
    let denoiser = try SettingsNode(yaml: "\(Self.networks[1]), padding: periodic}", source: "test.yaml")
    let section = try SettingsNode(yaml: "{kind: controlnet}", source: "test.yaml")
    let completed = try ControlKind.completing(section, from: denoiser)
    #expect(completed[PaddingMode.settingsKey]?.json == "\"periodic\"")
  }
}
