import MPI

/// An animation of the first images from noise to result, collected from all ranks that draw some of them.
struct SampleAnimation {
  /// The maximum number of images, and of frames.
  private static let images = 16
  private static let frames = 60

  /// The number of values of an image.
  private let size: Int
  private let steps: Int
  /// The shown images that this rank draws.
  private let own: Range<Int>
  /// For each frame, these images [n, H, W, C].
  private var moments: [[Float]] = []

  /// - Parameters:
  ///   - steps: per image.
  ///   - samples: the numbers of the images that this rank draws, the first of which form one pass.
  init(size: Int, steps: Int, samples: Range<Int>) {
    self.size = size
    self.steps = steps
    own = samples.clamped(to: 0..<Self.images)
  }

  /// Records the images of `pass` after `step` steps.
  ///
  /// - Parameters:
  ///   - drawn: the model's output for them.
  ///   - image: converts output to images.
  mutating func add(
    step: Int, pass: Range<Int>, _ drawn: UnsafeBufferPointer<Float>,
    image: (Slice<UnsafeBufferPointer<Float>>) -> [Float]
  ) {
    let interval = max(steps / Self.frames, 1)
    guard !own.isEmpty, pass.lowerBound == own.lowerBound, step % interval == 0 || step == steps else {
      return
    }
    moments.append(image(drawn.prefix(drawn.count / pass.count * own.count)))
  }

  /// For each frame, the images of all ranks on rank 0, nil elsewhere. Collective.
  ///
  /// - Throws: `MPIError`.
  func gathered(on communicator: Communicator) throws -> [[Float]]? {
    let shown = try communicator.allGather(own.count)
    guard let all = try communicator.gather(moments.flatMap { $0 }) else { return nil }
    // Ranks without shown images have no frames.
    var count = 0
    for (values, images) in zip(all, shown) where images > 0 { count = values.count / (images * size) }
    return (0..<count).map { moment in
      var frame: [Float] = []
      for (values, images) in zip(all, shown) {
        frame += values[moment * images * size..<(moment + 1) * images * size]
      }
      return frame
    }
  }
}
