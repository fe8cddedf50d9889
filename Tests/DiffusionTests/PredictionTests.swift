import Diffusion
import Testing

@Suite struct PredictionTests {
  /// A target that is read gives image and noise back, on the scale of x_t and with the whole image alike.
  @Test(arguments: Prediction.allCases, [0.999, 0.5, 0.01])
  func readingInvertsTheTarget(prediction: Prediction, signal: Double) {
    let noise = (1 - signal * signal).squareRoot()
    let (image, epsilon) = (0.37, -1.4)
    let target = prediction.target(signal: signal, noise: noise)
    let output = target.image * image + target.noise * epsilon
    for (alpha, sigma) in [(signal, noise), (1, noise / signal)] {
      let x = alpha * image + sigma * epsilon
      let readout = prediction.readout(signal: alpha, noise: sigma)
      #expect(readout.isDefined)
      #expect(abs(readout.inputScale * x - (signal * image + noise * epsilon)) < 1e-12)
      #expect(abs(readout.imageFromX * x + readout.imageFromOutput * output - image) < 1e-10)
      #expect(abs(readout.noiseFromX * x + readout.noiseFromOutput * output - epsilon) < 1e-10)
    }
  }

  /// Without signal, v is -x_0 and sample is x_0; an ε says nothing of the image.
  @Test func withoutSignal() {
    #expect(!Prediction.epsilon.readout(signal: 0, noise: 1).isDefined)
    let v = Prediction.v.readout(signal: 0, noise: 1)
    #expect(v == Readout(imageFromX: 0, imageFromOutput: -1, noiseFromX: 1, noiseFromOutput: 0))
    let sample = Prediction.sample.readout(signal: 0, noise: 1)
    #expect(sample.isDefined && sample.imageFromOutput == 1 && sample.noiseFromX == 1)
  }

  /// Hang et al. (2023): the weight of x_0's distance is min(SNR, γ), whatever the network predicts.
  @Test(arguments: [0.01, 0.8, 4.9, 5, 5.1, 300]) func weightsAreThoseOfTheImage(snr: Double) {
    let weighting = LossWeighting.minSNR(gamma: 5)
    let sample = weighting.weight(snr: snr, prediction: .sample)
    #expect(sample == min(snr, 5))
    #expect(abs(weighting.weight(snr: snr, prediction: .epsilon) * snr - sample) < 1e-12)
    #expect(abs(weighting.weight(snr: snr, prediction: .v) * (snr + 1) - sample) < 1e-12)
    #expect(LossWeighting.uniform.weight(snr: snr, prediction: .v) == 1)
  }

  @Test func weightsWithoutSignalAreFinite() {
    let weighting = LossWeighting.minSNR(gamma: 5)
    #expect(weighting.weight(snr: 0, prediction: .epsilon) == 1)
    #expect(weighting.weight(snr: 0, prediction: .v) == 0)
    #expect(weighting.weight(snr: 0, prediction: .sample) == 0)
  }
}
