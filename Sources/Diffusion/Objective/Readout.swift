/// How a network's output F is read at one place of a path: both estimates are linear in x and F.
public struct Readout: Hashable, Sendable {
  /// What x is multiplied by before the network sees it.
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

  /// False where the output says nothing of the image: an ε where x is nothing but ε.
  public var isDefined: Bool {
    [inputScale, imageFromX, imageFromOutput, noiseFromX, noiseFromOutput].allSatisfy(\.isFinite)
  }
}
