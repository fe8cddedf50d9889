import Pictures
import Tensors

/// A preview of a controlled denoiser: each control image next to the image drawn from it.
public struct ControlledPreview: Preview {
  private let sampling: ImageSampling
  /// [H, W, C] of the control images.
  private let shape: [Int]
  private let images: [[Float]]

  /// - Parameters:
  ///   - sampling: image i of which is controlled by number i of `images`.
  ///   - images: the control images, from 0 to 1.
  ///   - shape: [H, W, C] of each.
  public init(_ sampling: ImageSampling, images: [[Float]], shape: [Int]) {
    self.sampling = sampling
    self.images = images
    self.shape = shape
  }

  public func drawn(_ samples: Range<Int>, onStep: () throws -> Void) throws -> [Float] {
    try sampling.drawn(samples, onStep: onStep)
  }

  public func steps(count: Int, worldSize: Int) -> Int { sampling.steps(count: count, worldSize: worldSize) }

  /// Pairs in a roughly square grid; without the control images if these are not pictures of the same size.
  public func grid(_ values: [Float]) throws -> Picture {
    let drawn = sampling.pictures(values)
    let shown = Picture.all(of: images.joined().map { 2 * $0 - 1 }, shape: shape)
    let isPicture = [shape, sampling.imageShape].allSatisfy { [1, 3].contains($0[2]) }
    guard isPicture, shape.prefix(2) == sampling.imageShape.prefix(2) else {
      return try sampling.grid(values)
    }
    let pairs = zip(shown, drawn).flatMap { [$0, $1] }
    let isColoured = pairs.contains { $0.channels == 3 }
    let columns = Int((Double(drawn.count) / 4).squareRoot().rounded(.up))
    return ImageGrid(
      columns: 2 * columns, enlargement: ImageGrid.enlargement(of: drawn[0].width, drawn[0].height)
    ).compose(isColoured ? pairs.map(\.coloured) : pairs)
  }
}
