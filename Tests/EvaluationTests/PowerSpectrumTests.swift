import Evaluation
import Foundation
import NumericsTestSupport
import Testing

@Suite struct PowerSpectrumTests {
  /// One wave has its power at its wavenumber, where the mean is over all modes of that ring.
  @Test(arguments: [(16, 16, 3), (12, 20, 4), (9, 15, 2)])
  func aWaveIsFoundWhereItIs(height: Int, width: Int, waves: Int) {
    // Along the longer side, which is the width.
    let images = (0..<height * width).flatMap { pixel -> [Float] in
      let angle = 2 * Double.pi * Double(waves * (pixel % width)) / Double(width)
      return [Float(3 * cos(angle)), 7]
    }
    let spectra = PowerSpectrum.radial(images, shape: [height, width, 2])
    #expect(spectra.count == 2 && spectra[0].count == width / 2)
    let found = spectra[0].indices.max { spectra[0][$0] < spectra[0][$1] }
    #expect(found == waves - 1)
    // A constant has nothing but its mean.
    #expect(spectra[1].allSatisfy { $0 < 1e-12 })
    for (index, value) in spectra[0].enumerated() where index != waves - 1 { #expect(value < 1e-12) }
  }

  /// The sum over all modes is the variance (Parseval), as the definition of the transform says.
  @Test(arguments: [8, 12, 15]) func modesAreThoseOfTheDefinition(side: Int) {
    let values = normalValues(2 * side * side, seed: 4)
    let spectrum = PowerSpectrum.radial(values, shape: [side, side, 1])[0]
    for ring in 1...side / 2 {
      var (sum, count) = (0.0, 0)
      for ky in 0..<side {
        for kx in 0..<side {
          let (y, x) = (2 * ky <= side ? ky : ky - side, 2 * kx <= side ? kx : kx - side)
          guard Int(Double(y * y + x * x).squareRoot().rounded()) == ring else { continue }
          count += 1
          for image in 0..<2 {
            var (real, imaginary) = (0.0, 0.0)
            for pixel in 0..<side * side {
              let angle =
                -2 * Double.pi * Double(ky * (pixel / side) + kx * (pixel % side)) / Double(side)
              let value = Double(values[image * side * side + pixel])
              real += value * cos(angle)
              imaginary += value * sin(angle)
            }
            sum += (real * real + imaginary * imaginary) / Double(side * side * side * side)
          }
        }
      }
      #expect(abs(spectrum[ring - 1] - sum / Double(2 * count)) < 1e-10 * sum)
    }
  }
}
