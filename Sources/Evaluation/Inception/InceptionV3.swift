import Pictures

/// Inception-v3 up to its last pooling layer, as in the definition of FID: the network of pytorch-fid, with
/// TensorFlow's weights of 2015 and its pooling.
///
/// Inference only, one image at a time on one thread: a feature depends neither on other images nor on threads.
public final class InceptionV3 {
  /// The path of the weights, and the number of features.
  public let path: String
  public var width: Int { blocks.last?.outputs ?? 0 }

  /// The side of the network's input, in pixels.
  static let side = 299

  private let stem: [FoldedConvolution]
  private let blocks: [InceptionBlock]

  /// Reads the weights from a safetensors file with torchvision's names. Files of a network whose layers are all
  /// narrower by a factor of 2, 4, 8 or 16 are accepted too.
  ///
  /// - Throws: `SafetensorsError`, `FileError`; `EvaluationError` for tensors of other shapes or names.
  public init(_ path: String) throws {
    self.path = path
    var builder = try InceptionBuilder(path)
    stem = [
      try builder.stem("Conv2d_1a_3x3", 32, kernel: 3, stride: 2),
      try builder.stem("Conv2d_2a_3x3", 32, kernel: 3),
      try builder.stem("Conv2d_2b_3x3", 64, kernel: 3, padding: 1),
      try builder.stem("Conv2d_3b_1x1", 80, kernel: 1),
      try builder.stem("Conv2d_4a_3x3", 192, kernel: 3),
    ]
    blocks = [
      try builder.blockA("Mixed_5b", poolFeatures: 32),
      try builder.blockA("Mixed_5c", poolFeatures: 64),
      try builder.blockA("Mixed_5d", poolFeatures: 64),
      try builder.blockB("Mixed_6a"),
      try builder.blockC("Mixed_6b", width: 128),
      try builder.blockC("Mixed_6c", width: 160),
      try builder.blockC("Mixed_6d", width: 160),
      try builder.blockC("Mixed_6e", width: 192),
      try builder.blockD("Mixed_7a"),
      try builder.blockE("Mixed_7b", pool: .averagePool),
      try builder.blockE("Mixed_7c", pool: .maxPool(stride: 1, padding: 1)),
    ]
    try builder.weights.requireNothingElse()
  }

  /// Writes the features [width] of an image of any size; grey images are converted to colour.
  func features(of image: Picture, _ pass: InferencePass, into result: UnsafeMutablePointer<Float>) {
    var map = Self.input(image, pass)
    map = stem[1](stem[0](map, pass), pass)
    map = Pooling.largest(stem[2](map, pass), stride: 2, padding: 0, pass)
    map = Pooling.largest(stem[4](stem[3](map, pass), pass), stride: 2, padding: 0, pass)
    for block in blocks { map = block(map, pass) }
    Pooling.globalAverage(map, into: result)
  }

  /// The features of an image.
  public func features(of image: Picture) -> [Float] {
    [Float](unsafeUninitializedCapacity: width) { buffer, count in
      features(of: image, InferencePass(), into: buffer.baseAddress!)
      count = width
    }
  }

  /// The image scaled to 299 x 299 pixels of three channels, with values in [-1, 1].
  ///
  /// Bytes are divided by 255 and interpolated between the two nearest pixels in each direction, with pixel centres at
  /// half-integers, also when scaling down: as pytorch-fid calls PyTorch (`bilinear`, `align_corners=False`, without
  /// `antialias`).
  static func input(_ image: Picture, _ pass: InferencePass) -> FeatureMap {
    let map = pass.map(side, side, 3)
    let (rows, columns) = (InterpolationAxis(from: image.height), InterpolationAxis(from: image.width))
    image.samples.withUnsafeBufferPointer { samples in
      func value(_ row: Int, _ column: Int, _ channel: Int) -> Float {
        Float(samples[(row * image.width + column) * image.channels + channel]) / 255
      }
      for y in 0..<side {
        let (top, bottom, down) = rows[y]
        for x in 0..<side {
          let (left, right, across) = columns[x]
          for channel in 0..<3 {
            let source = image.channels == 1 ? 0 : channel
            let above = (1 - across) * value(top, left, source) + across * value(top, right, source)
            let below = (1 - across) * value(bottom, left, source) + across * value(bottom, right, source)
            map.elements[(y * side + x) * 3 + channel] = 2 * ((1 - down) * above + down * below) - 1
          }
        }
      }
    }
    return map
  }
}

/// The pixels in one direction that surround each of `InceptionV3.side` new ones.
private struct InterpolationAxis {
  private let scale: Float
  private let size: Int

  init(from size: Int) {
    self.size = size
    scale = Float(size) / Float(InceptionV3.side)
  }

  /// The pixels around new pixel `index`, and the weight of the second.
  subscript(index: Int) -> (first: Int, second: Int, share: Float) {
    let place = max(scale * (Float(index) + 0.5) - 0.5, 0)
    let first = min(Int(place), size - 1)
    return (first, min(first + 1, size - 1), place - Float(first))
  }
}
