import Diffusion
import Kernels
import NumericsTestSupport
import Randomness
import Settings
import Tensors
import Testing

@Suite struct DiffusionProcessTests {
  private let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 300))

  private struct Batch {
    let noisy: [Float]
    let noise: [Float]
    let timesteps: [Float]
  }

  private func examples(
    _ process: any DiffusionProcess, _ images: [Float], samples: Range<Int>, step: Int = 7, threads: Int = 1
  ) -> Batch {
    let tape = Tape(engine: Engine(threadCount: threads), weights: ParameterBuffer(count: 0), gradients: nil)
    return images.withUnsafeBufferPointer { images in
      let examples = process.examples(
        of: images, shape: [samples.count, images.count / samples.count, 1, 1], seed: 3, step: step,
        samples: samples, on: tape)
      return withExtendedLifetime(examples) {
        Batch(
          noisy: Array(examples.noisy.elements), noise: Array(examples.target.elements),
          timesteps: examples.timesteps)
      }
    }
  }

  /// x_t = sqrt(ᾱ_t) x_0 + sqrt(1 - ᾱ_t) ε, with t and ε of the sample's own streams.
  @Test func examplesAreTheFormula() {
    let images = normalValues(8 * 30, seed: 1)
    let batch = examples(process, images, samples: 16..<24)
    for image in 0..<8 {
      let t = RandomStream(seed: 3, purpose: .timestep, step: 7, sample: 16 + image).integer(below: 300)
      #expect(batch.timesteps[image] == Float(t))
      var noise = [Float](repeating: 0, count: 30)
      noise.withUnsafeMutableBufferPointer {
        RandomStream(seed: 3, purpose: .noise, step: 7, sample: 16 + image).fillNormal($0)
      }
      #expect(Array(batch.noise[image * 30..<(image + 1) * 30]) == noise)
      let cumulative = process.schedule.cumulativeAlphas[t]
      for index in 0..<30 {
        let expected =
          cumulative.squareRoot() * Double(images[image * 30 + index])
          + (1 - cumulative).squareRoot() * Double(noise[index])
        #expect(abs(Double(batch.noisy[image * 30 + index]) - expected) < 1e-6)
      }
    }
  }

  /// A sample's example does not depend on the rank, the threads or the company it is computed in.
  @Test func examplesDependOnTheSampleAlone() {
    let images = normalValues(8 * 30, seed: 1)
    let all = examples(process, images, samples: 0..<8)
    let part = examples(process, Array(images[3 * 30..<5 * 30]), samples: 3..<5, threads: 3)
    #expect(part.timesteps == Array(all.timesteps[3..<5]))
    #expect(bitPatterns(part.noisy) == bitPatterns(Array(all.noisy[3 * 30..<5 * 30])))
    let next = examples(process, images, samples: 0..<8, step: 8)
    #expect(next.noisy != all.noisy && next.timesteps != all.timesteps)
  }

  /// q(x_t | x_0) has mean sqrt(ᾱ_t) x_0 and variance 1 - ᾱ_t; timesteps are uniform.
  @Test func noisyImagesHaveTheirMoments() {
    let few = DDPMProcess(schedule: NoiseSchedule(.cosine, timesteps: 5))
    let (samples, size) = (2000, 100)
    let batch = examples(
      few, [Float](repeating: 0.7, count: samples * size), samples: 0..<samples, threads: 2)
    for t in 0..<5 {
      let chosen = batch.timesteps.indices.filter { batch.timesteps[$0] == Float(t) }
      // Of 2000 draws a fifth, with a deviation of 18.
      #expect((310...490).contains(chosen.count), "t \(t)")
      let values = chosen.flatMap { batch.noisy[$0 * size..<($0 + 1) * size] }.map(Double.init)
      let count = Double(values.count)
      let cumulative = few.schedule.cumulativeAlphas[t]
      let (mean, variance) = (0.7 * cumulative.squareRoot(), 1 - cumulative)
      #expect(abs(values.reduce(0, +) / count - mean) < 5 * (variance / count).squareRoot(), "t \(t)")
      let spread = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      #expect(abs(spread - variance) < 5 * variance * (2 / count).squareRoot(), "t \(t)")
    }
  }

  /// The mean over all elements, and its gradient for the prediction.
  @Test(
    arguments: [
      (PredictionLoss.l1, (0.5 + 2 + 0 + 3) / 4, [0.25, -0.25, 0, 0.25]),
      (.l2, (0.25 + 4 + 0 + 9) / 4, [0.25, -1, 0, 1.5]),
      (.huber, (0.125 + 1.5 + 0 + 2.5) / 4, [0.125, -0.25, 0, 0.25]),
    ] as [(PredictionLoss, Double, [Float])])
  func lossByHand(loss: PredictionLoss, value: Double, gradient: [Float]) {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 1), loss: loss)
    let tape = Tape(engine: Engine(threadCount: 1), weights: ParameterBuffer(count: 0), gradients: nil)
    let x0: [Float] = [1, 2, 3, 4]
    let result = x0.withUnsafeBufferPointer { x0 -> (value: Double, gradient: [Float]) in
      let examples = process.examples(
        of: x0, shape: [2, 1, 2, 1], seed: 1, step: 0, samples: 0..<2, on: tape)
      // Whole numbers make the differences exact.
      _ = examples.target.elements.update(fromContentsOf: [1, 5, -2, 4])
      let prediction = tape.input([2, 1, 2, 1])
      _ = prediction.elements.update(fromContentsOf: [1.5, 3, -2, 7])
      let result = process.loss(of: prediction, for: examples)
      return withExtendedLifetime(result.gradient) { (result.value, Array(result.gradient.elements)) }
    }
    #expect(result.value == value)
    #expect(result.gradient == gradient)
  }
}
