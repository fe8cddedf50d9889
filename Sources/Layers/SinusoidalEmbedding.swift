import Foundation
import Tensors

/// The position embedding of Vaswani et al. (2017) for timesteps, as the DDPM family computes it: sines in the first
/// half, cosines in the second, frequency i is 10000^(-i / (width / 2 - 1)).
public struct SinusoidalEmbedding: Sendable {
  private let frequencies: [Float]

  /// - Parameter width: an even number from 4.
  public init(width: Int) {
    precondition(width >= 4 && width % 2 == 0, "an embedding cannot be \(width) wide")
    let half = width / 2
    let step = -Float(log(10000.0) / Double(half - 1))
    frequencies = (0..<half).map { exp(Float($0) * step) }
  }

  /// [B] timesteps -> [B, width].
  public func callAsFunction(_ timesteps: [Int], on tape: Tape) -> Tensor {
    let half = frequencies.count
    let output = tape.input([timesteps.count, 2 * half])
    for (row, timestep) in timesteps.enumerated() {
      for (index, frequency) in frequencies.enumerated() {
        let angle = Float(timestep) * frequency
        output.elements[row * 2 * half + index] = sin(angle)
        output.elements[row * 2 * half + half + index] = cos(angle)
      }
    }
    return output
  }
}
