import MPI

/// The way from noise to the first images, of all ranks that draw some of them.
struct SampleAnimation {
  /// Images that it shows at most, and moments that it shows them at.
  private static let images = 16
  private static let frames = 60

  /// Numbers of an image.
  private let size: Int
  private let steps: Int
  /// The images of this rank that it shows.
  private let own: Range<Int>
  /// Of each moment, these images [n, H, W, C].
  private var moments: [[Float]] = []

  /// - Parameters:
  ///   - steps: of each image.
  ///   - samples: the numbers of the images that this rank draws, the first of which go through the model together.
  init(size: Int, steps: Int, samples: Range<Int>) {
    self.size = size
    self.steps = steps
    own = samples.clamped(to: 0..<Self.images)
  }

  /// Takes what is to be shown of the images of `pass` after `step` steps.
  ///
  /// - Parameters:
  ///   - drawn: what the model draws of them.
  ///   - image: the images of that.
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

  /// Of each moment, the images of all ranks on rank 0, nil elsewhere. Collective.
  ///
  /// - Throws: `MPIError`.
  func gathered(on communicator: Communicator) throws -> [[Float]]? {
    let shown = try communicator.allGather(own.count)
    guard let all = try communicator.gather(moments.flatMap { $0 }) else { return nil }
    // Ranks without such images have no moments.
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
