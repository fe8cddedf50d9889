import Tensors

/// A linear layer or a convolution of a model, to which an adapter can be fitted.
public struct AdaptableModule: Sendable {
  /// PyTorch's name, such as `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
  public let name: String
  public let weight: FileTensor
  public let adaptability: Adaptability

  public var outputs: Int { weight.outputs.count }
  public var inputs: Int { weight.parameter.inputs }
  public var taps: Int { weight.parameter.taps }
  /// Inputs as files have them: of a convolution whose pixels files hold as channels, those of all pixels.
  public var fileInputs: Int { weight.shape[1] }
  /// The sides of a convolution, [] for a linear layer.
  public var kernel: [Int] { Array(weight.shape.dropFirst(2)) }
  /// Whether it is a convolution of more than one pixel.
  public var isWideConvolution: Bool { kernel.contains { $0 > 1 } }

  static let suffix = ".weight"
}

extension ParameterLayout {
  /// The modules that adapters can be fitted to, in the order of the layout.
  public var adaptableModules: [AdaptableModule] {
    parameters.flatMap { parameter -> [AdaptableModule] in
      guard let adaptability = adaptability[parameter.offset] else { return [] }
      return parameter.fileTensors.compactMap { tensor in
        guard tensor.name.hasSuffix(AdaptableModule.suffix) else { return nil }
        return AdaptableModule(
          name: String(tensor.name.dropLast(AdaptableModule.suffix.count)), weight: tensor,
          adaptability: adaptability)
      }
    }
  }
}
