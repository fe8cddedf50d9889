import Kernels
import Randomness
import Tensors

/// The training examples of a micro-batch.
public struct TrainingExamples {
  /// The network's input [B, H, W, C].
  public let noisy: Tensor
  public let levels: [NoiseLevel]
  /// The target of the network's output [B, H, W, C].
  public let target: Storage
  /// x_0 [B, H, W, C], if the process's loss needs it.
  let images: Storage?

  /// The timesteps passed to the network: [B].
  public var timesteps: [Float] { levels.map(\.timestep) }
}

/// The loss of a micro-batch.
public struct BatchLoss {
  /// The mean over all values.
  public let value: Double
  /// The gradient of `value` with respect to the network's output.
  public let gradient: Storage
  /// Each sample's loss, whose mean is `value`.
  public let samples: [Double]
}

extension DiffusionProcess {
  /// Examples for a training step: the level and noise of each sample depend on (seed, step, sample) alone.
  ///
  /// - Parameters:
  ///   - images: x_0, [B, H, W, C], roughly in [-1, 1].
  ///   - samples: the images' positions in the step's batch over all ranks.
  public func examples(
    of images: UnsafeBufferPointer<Float>, shape: [Int], seed: UInt64, step: Int, samples: Range<Int>,
    on tape: Tape
  ) -> TrainingExamples {
    let levels = samples.map { sample in
      level(drawnFrom: RandomStream(seed: seed, purpose: .timestep, step: step, sample: sample))
    }
    return examples(
      of: images, shape: shape, levels: levels, seed: seed, noise: .noise, step: step, samples: samples,
      on: tape)
  }

  /// Examples for losses that are to be compared: the level and noise of each sample depend on (seed, sample) alone,
  /// and the noise is independent of the noise used in training.
  public func validationExamples(
    of images: UnsafeBufferPointer<Float>, shape: [Int], seed: UInt64, samples: Range<Int>, on tape: Tape
  ) -> TrainingExamples {
    examples(
      of: images, shape: shape, levels: fixedLevels(samples), seed: seed, noise: .validation, step: 0,
      samples: samples, on: tape)
  }

  private func examples(
    of images: UnsafeBufferPointer<Float>, shape: [Int], levels: [NoiseLevel], seed: UInt64, noise: Purpose,
    step: Int, samples: Range<Int>, on tape: Tape
  ) -> TrainingExamples {
    precondition(shape[0] == samples.count, "\(samples.count) samples for images \(shape)")
    return examples(of: images, shape: shape, levels: levels, on: tape) { image, epsilon in
      let sample = samples.lowerBound + image
      RandomStream(seed: seed, purpose: noise, step: step, sample: sample).fillNormal(epsilon)
      if offsetNoise > 0 {
        addOffset(
          to: epsilon, channels: shape[shape.count - 1],
          RandomStream(seed: seed, purpose: .offsetNoise, step: step, sample: sample))
      }
    }
  }

  /// Examples with noise that `fill` writes for each image.
  package func examples(
    of images: UnsafeBufferPointer<Float>, shape: [Int], levels: [NoiseLevel], on tape: Tape,
    noise fill: (_ image: Int, UnsafeMutableBufferPointer<Float>) -> Void
  ) -> TrainingExamples {
    precondition(images.count == shape.reduce(1, *), "\(images.count) values are not images \(shape)")
    precondition(levels.count == shape[0], "\(levels.count) levels for images \(shape)")
    let noisy = tape.input(shape)
    let target = tape.engine.storage(noisy.count)
    let clean = outputsPerChannel > 1 ? tape.engine.storage(noisy.count) : nil
    let size = noisy.count / shape[0]
    tape.engine.threads.parallel(shape[0]) { image, _ in
      let range = image * size..<(image + 1) * size
      let epsilon = UnsafeMutableBufferPointer(rebasing: target.elements[range])
      fill(image, epsilon)
      let x0 = UnsafeBufferPointer(rebasing: images[range])
      if let clean { _ = UnsafeMutableBufferPointer(rebasing: clean.elements[range]).update(from: x0) }
      levels[image].apply(
        to: x0, noise: epsilon, input: UnsafeMutableBufferPointer(rebasing: noisy.elements[range]))
    }
    return TrainingExamples(noisy: noisy, levels: levels, target: target, images: clean)
  }

  /// ε + s n, with one n per channel, shared by all its pixels.
  private func addOffset(
    to epsilon: UnsafeMutableBufferPointer<Float>, channels: Int, _ stream: RandomStream
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: channels) { offsets in
      stream.fillNormal(offsets)
      let strength = Float(offsetNoise)
      for index in epsilon.indices { epsilon[index] += strength * offsets[index % channels] }
    }
  }

  /// The loss of the network's output [B, H, W, C · outputsPerChannel], and its gradient.
  public func loss(of output: Tensor, for examples: TrainingExamples) -> BatchLoss {
    let engine = output.tape.engine
    let (batch, channels) = (examples.levels.count, examples.noisy.shape[examples.noisy.shape.count - 1])
    precondition(
      output.count == examples.target.count * outputsPerChannel
        && output.shape[output.shape.count - 1] == channels * outputsPerChannel,
      "an output \(output.shape) for images \(examples.noisy.shape) and \(outputsPerChannel) outputs a channel"
    )
    let size = examples.target.count / batch
    let gradient = engine.storage(output.count)
    let weights = examples.levels.map(\.weight)
    func sums(_ prediction: Storage, _ gradient: Storage) -> [Double] {
      loss.imageSums(
        prediction: prediction.pointer, target: examples.target.pointer, weights: weights, size: size,
        gradient: gradient.pointer, pool: engine.threads)
    }
    guard outputsPerChannel > 1, let images = examples.images else {
      let sums = sums(output.storage, gradient)
      // Sum first, then divide once: the order used for a mean over all values.
      return BatchLoss(
        value: sums.reduce(0, +) / Double(batch * size), gradient: gradient,
        samples: sums.map { $0 / Double(size) })
    }
    let (prediction, slope) = (
      engine.storage(examples.target.count), engine.storage(examples.target.count)
    )
    let columns = LeadingChannels(kept: channels, of: channels * outputsPerChannel)
    columns.gather(output.storage.elements, into: prediction.elements)
    var samples = sums(prediction, slope).map { $0 / Double(size) }
    columns.scatter(slope.elements, into: gradient.elements)
    samples.withUnsafeMutableBufferPointer { samples in
      addToLoss(
        LossBatch(
          levels: examples.levels, images: UnsafeBufferPointer(images.elements),
          noisy: UnsafeBufferPointer(examples.noisy.elements),
          output: UnsafeBufferPointer(output.storage.elements), imageChannels: channels,
          gradient: gradient.elements, sampleLosses: samples, threads: engine.threads))
    }
    return BatchLoss(value: samples.reduce(0, +) / Double(batch), gradient: gradient, samples: samples)
  }
}

extension NoiseLevel {
  /// Computes x = α x_0 + σ ε, scaled for the network, and overwrites ε with the target.
  func apply(
    to image: UnsafeBufferPointer<Float>, noise: UnsafeMutableBufferPointer<Float>,
    input: UnsafeMutableBufferPointer<Float>
  ) {
    let (alpha, sigma, scale) = (Float(signal), Float(self.noise), Float(inputScale))
    if scale == 1 {
      for index in image.indices { input[index] = alpha * image[index] + sigma * noise[index] }
    } else {
      for index in image.indices { input[index] = scale * (alpha * image[index] + sigma * noise[index]) }
    }
    guard targetImage != 0 || targetNoise != 1 else { return }
    let (ofImage, ofNoise) = (Float(targetImage), Float(targetNoise))
    for index in image.indices { noise[index] = ofImage * image[index] + ofNoise * noise[index] }
  }
}

/// Gathers and scatters the first channels of each pixel of a channels-last array.
struct LeadingChannels {
  let kept: Int
  let of: Int

  /// [..., of] to [..., kept].
  func gather(_ all: UnsafeMutableBufferPointer<Float>, into part: UnsafeMutableBufferPointer<Float>) {
    for pixel in 0..<all.count / of {
      for channel in 0..<kept { part[pixel * kept + channel] = all[pixel * of + channel] }
    }
  }

  /// [..., kept] to [..., of], with zeros in the other channels.
  func scatter(_ part: UnsafeMutableBufferPointer<Float>, into all: UnsafeMutableBufferPointer<Float>) {
    for pixel in 0..<all.count / of {
      for channel in 0..<of { all[pixel * of + channel] = channel < kept ? part[pixel * kept + channel] : 0 }
    }
  }
}
