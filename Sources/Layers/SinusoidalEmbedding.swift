import Foundation
import Tensors

/// The position embedding of Vaswani et al. (2017) for timesteps, as computed by diffusion models: half sines and half
/// cosines, at frequencies that fall geometrically from 1 towards 1/10000.
public struct SinusoidalEmbedding: Sendable {
  /// The number of frequency intervals from 1 to 1/10000.
  public enum Spacing: Sendable {
    /// Frequency i is 10000^(-i / (width / 2 - 1)): the last is 1/10000, as in the DDPM family.
    case closed
    /// Frequency i is 10000^(-i / (width / 2)): 1/10000 would be the next, as in the original paper.
    case halfOpen
    /// Frequency i is 10000^(-i / (width / 2 - shift)), diffusers' `freq_shift`.
    case shifted(Int)
  }

  /// Which half comes first.
  public enum Order: Sendable {
    case sinesFirst
    case cosinesFirst
  }

  private let frequencies: [Float]
  private let order: Order

  /// - Parameter width: an even number of at least 4.
  public init(width: Int, spacing: Spacing = .closed, order: Order = .sinesFirst) {
    precondition(width >= 4 && width % 2 == 0, "an embedding cannot be \(width) wide")
    let half = width / 2
    let intervals =
      switch spacing {
      case .closed: half - 1
      case .halfOpen: half
      case .shifted(let shift): half - shift
      }
    precondition(intervals > 0, "\(half) frequencies cannot be shifted by \(half - intervals)")
    let step = -Float(log(10000.0) / Double(intervals))
    frequencies = (0..<half).map { exp(Float($0) * step) }
    self.order = order
  }

  /// [B] timesteps -> [B, width].
  public func callAsFunction(_ timesteps: [Float], on tape: Tape) -> Tensor {
    let half = frequencies.count
    let (sines, cosines) =
      switch order {
      case .sinesFirst: (0, half)
      case .cosinesFirst: (half, 0)
      }
    let output = tape.input([timesteps.count, 2 * half])
    for (row, timestep) in timesteps.enumerated() {
      for (index, frequency) in frequencies.enumerated() {
        let angle = timestep * frequency
        output.elements[row * 2 * half + sines + index] = sin(angle)
        output.elements[row * 2 * half + cosines + index] = cos(angle)
      }
    }
    return output
  }
}
