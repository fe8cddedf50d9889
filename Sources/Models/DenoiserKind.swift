import Layers
import Settings

/// The denoisers by their names in configurations.
public enum DenoiserKind: String, CaseIterable, Sendable {
  case annotatedUNet = "annotated-unet"
  case resNetUNet = "resnet-unet"
  case conditionalUNet = "conditional-unet"
  case dit = "dit"
  case attentionUNet = "attention-unet"
  case unet2D = "unet-2d"
  case unetCondition = "unet-condition"

  /// The denoiser that the `model` section of a configuration describes.
  ///
  /// - Parameter builder: receives its parameters.
  /// - Throws: `SettingsError`.
  public static func model(
    _ reader: SettingsReader, _ builder: ParameterBuilder = ParameterBuilder("denoiser")
  ) throws -> any Denoiser {
    switch try reader.requiredChoice("kind", as: DenoiserKind.self, help: "which network") {
    case .annotatedUNet: AnnotatedUNet(try AnnotatedUNetSettings(reader), builder)
    case .resNetUNet: ResNetUNet(try ResNetUNetSettings(reader), builder)
    case .conditionalUNet: ConditionalUNet(try ConditionalUNetSettings(reader), builder)
    case .dit: DiT(try DiTSettings(reader), builder)
    case .attentionUNet: AttentionUNet(try AttentionUNetSettings(reader), builder)
    case .unet2D: UNet2D(try UNet2DSettings(reader), builder)
    case .unetCondition: UNetCondition(try UNetConditionSettings(reader), builder)
    }
  }
}
