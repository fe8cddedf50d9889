import Datasets
import Models
import Pictures
import Tensors

/// An autoencoder's reconstructions next to the original images, from the means of their latents, without noise.
public struct ImageReconstruction: Preview {
  private let model: AutoencoderKL
  private let weights: ParameterBuffer
  /// [H, W, C].
  private let shape: [Int]
  private let engine: Engine
  /// The field of the images; nil for pictures.
  private let field: Field?
  private let read: (Int) throws -> [Float]

  /// - Parameters:
  ///   - imageShape: [H, W, C].
  ///   - field: the field of the images; nil, or a field of bytes, means pictures.
  ///   - read: returns the values of image i.
  public init(
    model: AutoencoderKL, weights: ParameterBuffer, imageShape: [Int], field: Field? = nil, engine: Engine,
    read: @escaping (_ index: Int) throws -> [Float]
  ) {
    self.model = model
    self.weights = weights
    self.shape = imageShape
    self.engine = engine
    self.field = field.flatMap { $0.isPlotted ? $0 : nil }
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

  /// Pairs in a roughly square grid; fields get a colour scale.
  public func grid(_ values: [Float]) throws -> Picture {
    let pictures =
      field == nil ? Picture.all(of: values, shape: shape) : Picture.plots(of: values, shape: shape)
    let pairs = Int((Double(pictures.count) / 4).squareRoot().rounded(.up))
    let grid = ImageGrid(
      columns: 2 * pairs, enlargement: ImageGrid.enlargement(of: pictures[0].width, pictures[0].height)
    ).compose(pictures)
    return try field.map { grid.above(try .scale(of: values, $0, width: grid.width)) } ?? grid
  }
}
