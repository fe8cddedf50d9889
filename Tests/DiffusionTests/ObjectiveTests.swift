import Diffusion
import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// Losses of given images, noise, levels and outputs.
@Suite struct ObjectiveTests {
  private static let shape = [6, 3, 2, 2]
  private static let steps = [0, 1, 2, 13, 25, 39]

  private struct Result {
    var input: [Float]
    var timesteps: [Float]
    var value: Double
    var samples: [Double]
    var gradient: [Float]
  }

  private func evaluate(
    _ process: any DiffusionProcess, _ levels: [NoiseLevel], images: [Float], noise: [Float], output: [Float],
    shape: [Int] = ObjectiveTests.shape, threads: Int = 1
  ) -> Result {
    let tape = Tape(engine: Engine(threadCount: threads), weights: ParameterBuffer(count: 0), gradients: nil)
    let size = images.count / shape[0]
    let examples = images.withUnsafeBufferPointer { images in
      process.examples(of: images, shape: shape, levels: levels, on: tape) { image, epsilon in
        _ = epsilon.update(fromContentsOf: noise[image * size..<(image + 1) * size])
      }
    }
    let tensor = tape.input(
      shape.dropLast() + [shape[shape.count - 1] * process.outputsPerChannel])
    _ = tensor.elements.update(fromContentsOf: output)
    let loss = process.loss(of: tensor, for: examples)
    return withExtendedLifetime((loss.gradient, examples)) {
      Result(
        input: Array(examples.noisy.elements), timesteps: examples.timesteps, value: loss.value,
        samples: loss.samples, gradient: Array(loss.gradient.elements))
    }
  }

  private func expect(_ result: Result, is name: String, tolerance: Double = 2e-5) throws {
    let file = try Fixture.safetensors("objectives")
    let losses = try file.doubles("\(name)/losses")
    for (sample, expected) in zip(result.samples, losses) {
      #expect(abs(sample - expected) < tolerance * expected, "\(name): \(sample), \(expected)")
    }
    #expect(abs(result.value - losses.reduce(0, +) / 6) < tolerance * result.value)
    #expect(relativeError(of: result.gradient, from: try file.floats("\(name)/gradient")) < tolerance)
  }

  private func ddpm(
    _ prediction: Prediction, _ variance: ReverseVariance, _ weighting: LossWeighting = .uniform
  ) -> DDPMProcess {
    DDPMProcess(
      schedule: NoiseSchedule(.linear, timesteps: 40), prediction: prediction, variance: variance, loss: .l2,
      weighting: weighting)
  }

  /// improved-diffusion's hybrid loss, with the likelihood at t = 0, at the edges of the pixels' range too.
  @Test(arguments: Prediction.allCases) func hybridLoss(prediction: Prediction) throws {
    let file = try Fixture.safetensors("objectives")
    let process = ddpm(prediction, .learnedRange)
    let result = evaluate(
      process, Self.steps.map { process.level(at: $0) }, images: try file.floats("images"),
      noise: try file.floats("noise"), output: try file.floats("\(prediction.rawValue)/output"))
    try expect(result, is: "hybrid/\(prediction.rawValue)", tolerance: 2e-4)
  }

  @Test(arguments: Prediction.allCases) func minSNR(prediction: Prediction) throws {
    let file = try Fixture.safetensors("objectives")
    let process = ddpm(prediction, .fixedSmall, .minSNR(gamma: 5))
    let all = try file.floats("\(prediction.rawValue)/output")
    let output = stride(from: 0, to: all.count, by: 4).flatMap { all[$0..<$0 + 2] }
    let result = evaluate(
      process, Self.steps.map { process.level(at: $0) }, images: try file.floats("images"),
      noise: try file.floats("noise"), output: output)
    try expect(result, is: "min-snr/\(prediction.rawValue)")
  }

  @Test func edm() throws {
    let file = try Fixture.safetensors("objectives")
    let process = EDMProcess(sigmaData: 0.4)
    let result = evaluate(
      process, try file.doubles("sigmas").map { process.level(sigma: $0) }, images: try file.floats("images"),
      noise: try file.floats("noise"), output: try file.floats("output"))
    // c_skip x takes digits from the target where σ is small.
    try expect(result, is: "edm", tolerance: 1e-4)
    #expect(relativeError(of: result.input, from: try file.floats("edm/input")) < 1e-6)
    #expect(relativeError(of: result.timesteps, from: try file.floats("edm/timesteps")) < 1e-6)
  }

  @Test func flow() throws {
    let file = try Fixture.safetensors("objectives")
    let process = FlowProcess()
    let result = evaluate(
      process, try file.doubles("times").map { process.level(time: $0) }, images: try file.floats("images"),
      noise: try file.floats("noise"), output: try file.floats("output"))
    try expect(result, is: "flow")
    #expect(relativeError(of: result.input, from: try file.floats("flow/input")) < 1e-6)
  }

  /// Every loss, with weights, learned variances, and either likelihood: the gradient by differences of the value. Of
  /// the bound, only the variances have one: the predictions are held while it is differentiated.
  @Test(arguments: PredictionLoss.allCases, [DDPMProcess.Decoder.pixels, .continuous])
  func gradientsByDifferences(loss: PredictionLoss, decoder: DDPMProcess.Decoder) {
    let process = DDPMProcess(
      schedule: NoiseSchedule(.linear, timesteps: 40), prediction: .v, variance: .learnedRange, loss: loss,
      weighting: .minSNR(gamma: 5), boundWeight: 0.05, decoder: decoder)
    let simple = DDPMProcess(
      schedule: process.schedule, prediction: .v, loss: loss, weighting: .minSNR(gamma: 5))
    let shape = [3, 2, 1, 2]
    let levels = [0, 3, 30].map { process.level(at: $0) }
    let (images, noise) = (normalValues(12, seed: 1).map { 0.5 * $0 }, normalValues(12, seed: 2))
    let output = normalValues(24, seed: 3)
    let result = evaluate(process, levels, images: images, noise: noise, output: output, shape: shape)
    func predictions(_ output: [Float]) -> [Float] {
      stride(from: 0, to: 24, by: 4).flatMap { output[$0..<$0 + 2] }
    }
    let step: Float = 1e-2
    for place in 0..<24 {
      func value(_ change: Float) -> Double {
        var moved = output
        moved[place] += change
        return place % 4 < 2
          ? evaluate(
            simple, levels, images: images, noise: noise, output: predictions(moved), shape: shape
          ).value
          : evaluate(process, levels, images: images, noise: noise, output: moved, shape: shape).value
      }
      let slope = (value(step) - value(-step)) / Double(2 * step)
      #expect(
        abs(slope - Double(result.gradient[place])) < 2e-3 * max(abs(slope), 0.05),
        "place \(place): \(slope), \(result.gradient[place])")
    }
  }

  /// Threads change no bit, and samples no other's loss.
  @Test func lossesDependOnTheirSampleAlone() {
    let process = ddpm(.v, .learnedRange)
    let levels = Self.steps.map { process.level(at: $0) }
    let (images, noise) = (normalValues(72, seed: 1), normalValues(72, seed: 2))
    let output = normalValues(144, seed: 3)
    let all = evaluate(process, levels, images: images, noise: noise, output: output)
    let threaded = evaluate(process, levels, images: images, noise: noise, output: output, threads: 3)
    #expect(threaded.samples == all.samples && bitPatterns(threaded.gradient) == bitPatterns(all.gradient))
    let one = evaluate(
      process, [levels[4]], images: Array(images[48..<60]), noise: Array(noise[48..<60]),
      output: Array(output[96..<120]), shape: [1, 3, 2, 2])
    #expect(one.samples == [all.samples[4]])
  }

  @Test func nonFiniteShows() {
    let process = ddpm(.v, .learnedRange)
    var output = normalValues(144, seed: 3)
    output[7] = .nan
    let result = evaluate(
      process, Self.steps.map { process.level(at: $0) }, images: normalValues(72, seed: 1),
      noise: normalValues(72, seed: 2), output: output)
    #expect(result.value.isNaN && result.samples[0].isNaN && result.gradient[7].isNaN)
    #expect(result.samples[1].isFinite)
  }

  /// Offset noise adds one number to all pixels of a channel (Guttenberg, 2023), drawn apart from the noise.
  @Test func offsetNoise() {
    let plain = FlowProcess(), offset = FlowProcess(offsetNoise: 0.3)
    func targets(_ process: FlowProcess, _ samples: Range<Int>) -> [Float] {
      let tape = Tape(engine: Engine(threadCount: 2), weights: ParameterBuffer(count: 0), gradients: nil)
      let images = [Float](repeating: 0, count: samples.count * 50)
      return images.withUnsafeBufferPointer { images in
        let examples = process.examples(
          of: images, shape: [samples.count, 5, 5, 2], seed: 9, step: 2, samples: samples, on: tape)
        return withExtendedLifetime(examples) { Array(examples.target.elements) }
      }
    }
    let differences = zip(targets(offset, 0..<400), targets(plain, 0..<400)).map { $0 - $1 }
    var offsets: [Float] = []
    for sample in 0..<400 {
      for channel in 0..<2 {
        let own = (0..<25).map { differences[sample * 50 + $0 * 2 + channel] }
        #expect(own.allSatisfy { abs($0 - own[0]) < 1e-6 })
        offsets.append(own[0])
      }
    }
    let variance = offsets.reduce(0) { $0 + $1 * $1 } / 800
    #expect(abs(variance - 0.09) < 5 * 0.09 * (2.0 / 800).squareRoot())
    #expect(bitPatterns(targets(offset, 3..<5)) == bitPatterns(Array(targets(offset, 0..<8)[150..<250])))
  }
}
