import Layers
import Tensors

/// The network that distinguishes images from reconstructions, patch by patch: `NLayerDiscriminator` of latent
/// diffusion (Rombach et al., 2022), taken from pix2pix (Isola et al., 2017, https://arxiv.org/abs/1611.07004, appendix
/// 6.1.2).
///
/// The published network uses batch normalisation over a process's batch and keeps running averages that training never
/// uses. Here each image is group-normalised, so that its outputs depend on that image alone.
///
/// Tensor names in files follow that class.
public struct PatchDiscriminator: Sendable {
  private struct Layer: Sendable {
    let convolution: Convolution2D
    let norm: GroupNorm?
  }

  private let hidden: [Layer]
  private let output: Convolution2D
  private let halvings: Int

  /// Negative slope of the leaky ReLU.
  private static let slope: Float = 0.2
  private static let kernel = 4
  /// Initial standard deviation of the convolutions' weights, normal with mean 0 (pix2pix).
  private static let deviation: Float = 0.02

  /// - Parameter channels: channels of the images.
  public init(_ settings: PatchDiscriminatorSettings, channels: Int, _ builder: ParameterBuilder) {
    let main = builder["main"]
    // Convolutions, normalisations and activations share one numbering.
    var place = 0
    var inputs = channels
    func convolution(_ outputs: Int, stride: Int, hasBias: Bool) -> Convolution2D {
      defer { place += 1 }
      let bound = 1 / Float(inputs * Self.kernel * Self.kernel).squareRoot()
      return Convolution2D(
        main[place], inputs, outputs, kernel: Self.kernel, stride: stride, padding: 1, hasBias: hasBias,
        initialization: .normal(deviation: Self.deviation), biasInitialization: .uniform(bound: bound))
    }
    hidden = settings.widths.enumerated().map { index, outputs in
      let isNormalized = index > 0 && settings.groups > 0
      let layer = convolution(outputs, stride: index < settings.layers ? 2 : 1, hasBias: !isNormalized)
      var norm: GroupNorm?
      if isNormalized {
        norm = GroupNorm(main[place], groups: settings.groups, channels: outputs)
        place += 1
      }
      // The activation.
      place += 1
      inputs = outputs
      return Layer(convolution: layer, norm: norm)
    }
    output = convolution(1, stride: 1, hasBias: true)
    halvings = settings.layers
  }

  /// Scores how much each patch looks like part of an image rather than of a reconstruction.
  ///
  /// - Parameter images: [B, H, W, C].
  /// - Returns: [B, h, w, 1], unbounded: trained towards at least 1 for an image and at most -1 for a reconstruction.
  public func callAsFunction(_ images: Tensor) -> Tensor {
    output(
      hidden.reduce(images) { x, layer in
        let y = layer.convolution(x)
        return (layer.norm.map { $0(y) } ?? y).leakyReLU(slope: Self.slope)
      })
  }

  /// Throws unless images of this size have at least one patch.
  public func check(height: Int, width: Int) throws {
    for (name, side) in [("height", height), ("width", width)] {
      // Each halving rounds down; the two other convolutions shrink by one pixel each, as a kernel of 4 has padding of
      // 1.
      guard side >> halvings >= 3 else {
        throw ModelError(
          "the discriminator sees no patch of images whose \(name) is \(side): with \(halvings) layers it must be at "
            + "least \(3 << halvings); set discriminator.layers to less")
      }
    }
  }
}
