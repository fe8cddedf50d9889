import Foundation

/// The cost of a message between two ranks: a latency plus its size divided by a bandwidth (Hockney, 1994).
public struct LinkModel: Sendable, Equatable {
  /// In seconds.
  public let latency: Double
  /// In bytes per second, in each direction.
  public let bandwidth: Double

  public init(latency: Double, bandwidth: Double) {
    self.latency = latency
    self.bandwidth = bandwidth
  }

  /// Seconds for an all-reduce of `bytes` over `ranks` ranks by recursive halving and doubling, T = 2 log₂(W) latency +
  /// 2 (W - 1) / W bytes / bandwidth (Thakur et al., 2005).
  ///
  /// - Parameter messages: the number of buckets that the bytes are divided into.
  public func allReduceSeconds(bytes: Int, ranks: Int, messages: Int = 1) -> Double {
    let (exchanges, share) = Self.terms(bytes: bytes, ranks: ranks)
    return exchanges * Double(messages) * latency + share / bandwidth
  }

  /// The number of consecutive exchanges, and the number of bytes over one rank's link.
  private static func terms(bytes: Int, ranks: Int) -> (exchanges: Double, bytes: Double) {
    let ranks = Double(ranks)
    return (2 * log2(ranks).rounded(.up), 2 * (ranks - 1) / ranks * Double(bytes))
  }

  /// The model with the least squared relative errors for the measured times; nil if these do not determine latency and
  /// bandwidth.
  public init?(fitting measured: [(bytes: Int, seconds: Double)], ranks: Int) {
    guard ranks > 1, measured.count > 1, measured.allSatisfy({ $0.seconds > 0 }) else { return nil }
    // For x = (latency, 1 / bandwidth), minimise the sum of ((A x)ᵢ / tᵢ - 1)².
    var (aa, ab, bb, a, b) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for (bytes, seconds) in measured {
      let terms = Self.terms(bytes: bytes, ranks: ranks)
      let (p, q) = (terms.exchanges / seconds, terms.bytes / seconds)
      (aa, ab, bb) = (aa + p * p, ab + p * q, bb + q * q)
      (a, b) = (a + p, b + q)
    }
    let determinant = aa * bb - ab * ab
    guard determinant > 1e-9 * aa * bb else { return nil }
    let (latency, inverse) = ((bb * a - ab * b) / determinant, (aa * b - ab * a) / determinant)
    guard inverse > 0 else { return nil }
    self.init(latency: max(latency, 0), bandwidth: 1 / inverse)
  }
}
