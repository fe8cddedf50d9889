import Kernels
import Randomness
import Tensors

/// The mask that dropout (Srivastava et al., 2014) multiplies by: 0 with the given probability p, otherwise 1 / (1 -
/// p).
enum DropoutMask {
  /// A mask of `shape` [B, ...]. The values of a sample depend on its position and on `layer`, not on the rest of the
  /// batch.
  ///
  /// - Parameters:
  ///   - samples: the B samples.
  ///   - layer: a number unique among the layers with this purpose.
  static func make(
    _ shape: [Int], probability: Float, samples: TrainingSamples, purpose: Purpose, layer: UInt64,
    on tape: Tape
  ) -> Tensor {
    precondition((0..<1).contains(probability), "a probability of \(probability)")
    let mask = tape.input(shape)
    let (size, positions) = (mask.count / shape[0], samples.positions)
    precondition(shape[0] == positions.count, "\(shape) for samples \(positions)")
    let kept = 1 / (1 - probability)
    tape.engine.threads.parallel(positions.count) { index, _ in
      let stream = RandomStream(
        seed: samples.seed &+ layer, purpose: purpose, step: samples.step,
        sample: positions.lowerBound + index)
      let values = UnsafeMutableBufferPointer(rebasing: mask.elements[index * size..<(index + 1) * size])
      stream.fillUniform(values, low: 0, high: 1)
      for place in values.indices { values[place] = values[place] < probability ? 0 : kept }
    }
    return mask
  }

  /// A number that identifies the layer with these weights.
  static func layer(_ weights: Parameter) -> UInt64 { UInt64(weights.offset) &* 0x9E37_79B9_7F4A_7C15 }
}

extension Convolution2D {
  /// x with dropout as the input of this convolution; unchanged outside training, and in a frozen network next to which
  /// something else is trained.
  public func dropping(_ probability: Float, of x: Tensor) -> Tensor {
    guard probability > 0, let samples = x.tape.trainingSamples, x.tape.trains(weight) else { return x }
    return x
      * DropoutMask.make(
        x.shape, probability: probability, samples: samples, purpose: .blockDropout,
        layer: DropoutMask.layer(weight), on: x.tape)
  }
}
