import Kernels
import Layers
import Tensors

/// The activation functions that diffusers' blocks name in `act_fn`.
public enum BlockActivation: String, CaseIterable, Sendable {
  case silu
  /// An alias of `silu`.
  case swish
  case relu
  case gelu

  public func callAsFunction(_ x: Tensor) -> Tensor {
    switch self {
    case .silu, .swish: x.silu()
    case .relu: x.relu()
    case .gelu: x.gelu()
    }
  }

  /// Normalisation followed by activation, fused where possible.
  func callAsFunction(_ norm: GroupNorm, _ x: Tensor, scaleShift: Tensor? = nil) -> Tensor {
    switch self {
    case .silu, .swish: norm(x, scaleShift: scaleShift, activation: .silu)
    case .relu: norm(x, scaleShift: scaleShift, activation: .relu)
    case .gelu: norm(x, scaleShift: scaleShift).gelu()
    }
  }
}
