import Tensors

/// A linear layer or convolution of a model that an adapter can be attached to.
public struct AdaptableModule: Sendable {
  /// PyTorch's name, such as `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
  public let name: String
  public let weight: FileTensor
  public let adaptability: Adaptability

  public var outputs: Int { weight.outputs.count }
  public var inputs: Int { weight.parameter.inputs }
  public var taps: Int { weight.parameter.taps }
  /// The number of inputs in files: if files store the pixels of a convolution as channels, the inputs of all pixels.
  public var fileInputs: Int { weight.shape[1] }
  /// The sides of a convolution's kernel; [] for a linear layer.
  public var kernel: [Int] { Array(weight.shape.dropFirst(2)) }
  /// Whether this is a convolution with a kernel of more than one pixel.
  public var isWideConvolution: Bool { kernel.contains { $0 > 1 } }

  static let suffix = ".weight"
}

extension ParameterLayout {
  /// The modules that adapters can be attached to, in the order of the layout.
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
