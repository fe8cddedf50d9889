import Layers
import Tensors

/// The network that tells images from reconstructions, patch by patch: `NLayerDiscriminator` of latent diffusion (Rombach
/// et al., 2022), which is that of pix2pix (Isola et al., 2017, https://arxiv.org/abs/1611.07004, appendix 6.1.2).
///
/// The published one normalises over a process's batch, and keeps running averages that it never uses in training. Here
/// groups of channels of each image are normalised, so that what is said of an image depends on it alone.
///
/// Names in files are those of that class.
public struct PatchDiscriminator: Sendable {
  private struct Layer: Sendable {
    let convolution: Convolution2D
    let norm: GroupNorm?
  }

  private let hidden: [Layer]
  private let output: Convolution2D
  private let halvings: Int

  /// Of the leaky rectifier, below 0.
  private static let slope: Float = 0.2
  private static let kernel = 4
  /// Of the convolutions' weights when training begins: normal around 0 (pix2pix).
  private static let deviation: Float = 0.02

  /// - Parameter channels: of the images.
  public init(_ settings: PatchDiscriminatorSettings, channels: Int, _ builder: ParameterBuilder) {
    let main = builder["main"]
    // Convolutions, normalisations and activations are numbered together.
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

  /// How much each patch looks like a part of an image, rather than of a reconstruction.
  ///
  /// - Parameter images: [B, H, W, C].
  /// - Returns: [B, h, w, 1], any numbers: 1 and more for an image, -1 and less for a reconstruction.
  public func callAsFunction(_ images: Tensor) -> Tensor {
    output(
      hidden.reduce(images) { x, layer in
        let y = layer.convolution(x)
        return (layer.norm.map { $0(y) } ?? y).leakyReLU(slope: Self.slope)
      })
  }

  /// Throws unless images of this size have a patch.
  public func check(height: Int, width: Int) throws {
    for (name, side) in [("height", height), ("width", width)] {
      // Each halving takes the lower half; each of the two others one pixel, since a kernel of 4 has padding of 1.
      guard side >> halvings >= 3 else {
        throw ModelError(
          "the discriminator sees no patch of images whose \(name) is \(side): with \(halvings) layers it must be at "
            + "least \(3 << halvings); set discriminator.layers to less")
      }
    }
  }
}
