import Settings

/// The keys of `model` for `kind: clip`: those of transformers' `CLIPConfig`, with its defaults.
public struct CLIPSettings: Hashable, Sendable {
  public let text: CLIPTextSettings
  public let vision: CLIPVisionSettings
  /// Width of an embedded text or image.
  public let width: Int
  /// Initial logarithm of the factor applied to similarities.
  public let logitScale: Float
  /// Factor applied to the initial standard deviations of the projections.
  let factor: Float

  /// - Throws: `SettingsError`, including for incompatible combinations.
  public init(_ reader: SettingsReader) throws {
    text = try CLIPTextSettings(try Self.section("text_config", reader))
    vision = try CLIPVisionSettings(try Self.section("vision_config", reader))
    width = try reader.value(
      "projection_dim", default: 512, in: 1...16_384, help: "numbers of an embedded text or image")
    logitScale = Float(
      try reader.value(
        "logit_scale_init_value", default: 2.6592, in: -100.0...100.0,
        help: "logarithm of what a new model multiplies similarities by"))
    factor = Float(
      try reader.value(
        "initializer_factor", default: 1.0, in: 0.0...100.0,
        help: "what the deviations of new projections are multiplied by"))
    reader.keepTransformersKeys(except: ["projection_dim"])
  }

  /// The section of the text or vision half. Older files have it twice: `_dict`, completed with the class's defaults,
  /// then replaces the other one entirely.
  private static func section(_ key: String, _ reader: SettingsReader) throws -> SettingsReader {
    let older = "\(key)_dict"
    guard reader.saysSomething(of: older) else {
      reader.kept(older)
      return try reader.section(key)
    }
    reader.kept(key, help: "\(older) takes its place")
    return try reader.section(older)
  }
}
