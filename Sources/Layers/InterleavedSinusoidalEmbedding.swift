import Foundation
import Tensors

/// A position embedding of timesteps with sines at even and cosines at odd indices; the angle at index i is t /
/// 10000^(i / width). From "Deep Learning from Scratch 5" (K. Saito, 2024).
public struct InterleavedSinusoidalEmbedding: Sendable {
  private let divisors: [Float]

  public init(width: Int) {
    precondition(width >= 1, "an embedding cannot be \(width) wide")
    divisors = (0..<width).map { exp(Float($0) / Float(width) * Float(log(10000.0))) }
  }

  /// [B] timesteps -> [B, width].
  public func callAsFunction(_ timesteps: [Float], on tape: Tape) -> Tensor {
    let output = tape.input([timesteps.count, divisors.count])
    for (row, timestep) in timesteps.enumerated() {
      for (place, divisor) in divisors.enumerated() {
        let angle = timestep / divisor
        output.elements[row * divisors.count + place] = place % 2 == 0 ? sin(angle) : cos(angle)
      }
    }
    return output
  }
}
