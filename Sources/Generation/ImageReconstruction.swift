import Models
import Pictures
import Tensors

/// What an autoencoder makes of images, beside them: of their latents' means, without noise.
public struct ImageReconstruction: Preview {
  private let model: AutoencoderKL
  private let weights: ParameterBuffer
  /// [H, W, C].
  private let shape: [Int]
  private let engine: Engine
  private let read: (Int) throws -> [Float]

  /// - Parameters:
  ///   - imageShape: [H, W, C].
  ///   - read: gives the values of image i.
  public init(
    model: AutoencoderKL, weights: ParameterBuffer, imageShape: [Int], engine: Engine,
    read: @escaping (_ index: Int) throws -> [Float]
  ) {
    self.model = model
    self.weights = weights
    self.shape = imageShape
    self.engine = engine
    self.read = read
  }

  /// Each image [H, W, C], followed by its reconstruction.
  public func drawn(_ samples: Range<Int>, onStep: () throws -> Void) throws -> [Float] {
    try samples.flatMap { index in
      let image = try read(index)
      let tape = Tape(engine: engine, weights: weights, gradients: nil)
      let input = tape.input([1] + shape)
      _ = input.elements.update(fromContentsOf: image)
      let reconstruction = model.decode(model.encode(input).mean)
      try onStep()
      return image + Array(reconstruction.elements)
    }
  }

  public func steps(count: Int, worldSize: Int) -> Int { (count + worldSize - 1) / worldSize }

  /// Pairs, about as many to the side as down.
  public func grid(_ values: [Float]) -> Picture {
    let pictures = Picture.all(of: values, shape: shape)
    let pairs = Int((Double(pictures.count) / 4).squareRoot().rounded(.up))
    return ImageGrid(
      columns: 2 * pairs, enlargement: ImageGrid.enlargement(of: pictures[0].width, pictures[0].height)
    ).compose(pictures)
  }
}
