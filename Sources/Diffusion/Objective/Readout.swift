/// How a network's output F is interpreted at one point of a path: both estimates are linear in x and F.
public struct Readout: Hashable, Sendable {
  /// The factor applied to x before it enters the network.
  public let inputScale: Double
  /// x_0 = `imageFromX` x + `imageFromOutput` F.
  public let imageFromX: Double
  public let imageFromOutput: Double
  /// ε = `noiseFromX` x + `noiseFromOutput` F.
  public let noiseFromX: Double
  public let noiseFromOutput: Double

  public init(
    inputScale: Double = 1, imageFromX: Double, imageFromOutput: Double, noiseFromX: Double,
    noiseFromOutput: Double
  ) {
    self.inputScale = inputScale
    self.imageFromX = imageFromX
    self.imageFromOutput = imageFromOutput
    self.noiseFromX = noiseFromX
    self.noiseFromOutput = noiseFromOutput
  }

  /// False if the output does not determine the image: a prediction of ε where x consists of noise alone.
  public var isDefined: Bool {
    [inputScale, imageFromX, imageFromOutput, noiseFromX, noiseFromOutput].allSatisfy(\.isFinite)
  }
}
