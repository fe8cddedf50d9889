/// The radial power spectrum of fields: the mean of |x̂(k_y, k_x)|² over images and over the modes whose wavenumber k =
/// sqrt((k_y L/H)² + (k_x L/W)²) rounds to 1, 2, ..., L/2. L is the longer side, so that k counts waves along it, and
/// x̂ = 1/(HW) Σ x e^(-2πi (k_y y/H + k_x x/W)). In double precision.
public enum PowerSpectrum {
  /// - Parameters:
  ///   - images: [n, H, W, C].
  ///   - shape: [H, W, C].
  /// - Returns: for each channel, the means for k = 1 to L/2; 0 where no mode has that wavenumber.
  public static func radial(_ images: [Float], shape: [Int]) -> [[Double]] {
    let (height, width, channels) = (shape[0], shape[1], shape[2])
    let size = height * width * channels
    precondition(size > 0 && images.count % size == 0, "\(images.count) values of \(shape)")
    let longest = max(height, width)
    let transforms = (rows: FourierTransform(width), columns: FourierTransform(height))
    func signed(_ index: Int, _ count: Int) -> Double {
      Double(2 * index <= count ? index : index - count) * Double(longest) / Double(count)
    }
    let rings = (0..<height * width).map { mode -> Int in
      let (y, x) = (signed(mode / width, height), signed(mode % width, width))
      return Int((y * y + x * x).squareRoot().rounded())
    }
    let counts = rings.reduce(into: [Int](repeating: 0, count: longest)) { $0[$1] += 1 }
    let number = images.count / size
    return (0..<channels).map { channel in
      var sums = [Double](repeating: 0, count: longest)
      for image in 0..<number {
        let plane = (0..<height * width).map { (Double(images[image * size + $0 * channels + channel]), 0.0) }
        for (mode, value) in modes(plane, height, width, transforms).enumerated() {
          sums[rings[mode]] += value.0 * value.0 + value.1 * value.1
        }
      }
      let scale = 1 / (Double(height * width) * Double(height * width) * Double(max(number, 1)))
      return (1...max(longest / 2, 1)).map { ring in
        ring < longest && counts[ring] > 0 ? sums[ring] * scale / Double(counts[ring]) : 0
      }
    }
  }

  private static func modes(
    _ plane: [(Double, Double)], _ height: Int, _ width: Int,
    _ transforms: (rows: FourierTransform, columns: FourierTransform)
  ) -> [(Double, Double)] {
    var modes = (0..<height).flatMap { transforms.rows(Array(plane[$0 * width..<($0 + 1) * width])) }
    for x in 0..<width {
      let column = transforms.columns((0..<height).map { modes[$0 * width + x] })
      for y in 0..<height { modes[y * width + x] = column[y] }
    }
    return modes
  }
}
