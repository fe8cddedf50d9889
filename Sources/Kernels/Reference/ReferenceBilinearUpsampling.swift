/// Reference implementation of `BilinearUpsampling` for tests: [B, H, W, C] -> [B, 2H, 2W, C], value by value in double
/// precision.
public enum ReferenceBilinearUpsampling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, alignsCorners: Bool,
    output: UnsafeMutablePointer<Float>
  ) {
    forEachProduct(batch, height, width, channels, alignsCorners) { result, products in
      output[result] = Float(products.reduce(0) { $0 + $1.weight * Double(x[$1.pixel]) })
    }
  }

  /// The adjoint of `forward`.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    alignsCorners: Bool, inputGradient: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: batch * height * width * channels)
    forEachProduct(batch, height, width, channels, alignsCorners) { result, products in
      for product in products { sums[product.pixel] += product.weight * Double(outputGradient[result]) }
    }
    for index in sums.indices { inputGradient[index] = Float(sums[index]) }
  }

  private static func forEachProduct(
    _ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ alignsCorners: Bool,
    _ body: (_ result: Int, _ products: [(pixel: Int, weight: Double)]) -> Void
  ) {
    /// Hat functions of height 1 at every pixel, in PyTorch's coordinates.
    func weights(_ output: Int, _ count: Int) -> [Double] {
      let position =
        alignsCorners && count > 1
        ? Double(output * (count - 1)) / Double(2 * count - 1)
        : min(max(Double(output) / 2 - 0.25, 0), Double(count - 1))
      return (0..<count).map { max(0, 1 - abs(position - Double($0))) }
    }
    for image in 0..<batch {
      for y in 0..<2 * height {
        for x in 0..<2 * width {
          let (vertical, horizontal) = (weights(y, height), weights(x, width))
          for channel in 0..<channels {
            let products = (0..<height * width).map { place in
              (
                pixel: (image * height * width + place) * channels + channel,
                weight: vertical[place / width] * horizontal[place % width]
              )
            }
            body(((image * 2 * height + y) * 2 * width + x) * channels + channel, products)
          }
        }
      }
    }
  }
}
