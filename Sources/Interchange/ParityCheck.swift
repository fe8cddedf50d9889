import Kernels
import Layers
import Models
import Safetensors
import Settings
import Tensors

/// A case made elsewhere, such as by PyTorch: a model with its weights, an input, and what should come out of a forward
/// and a backward pass. Compares what comes out here.
public struct ParityCheck: Sendable {
  /// How far off a tensor is: ‖ours - theirs‖ / ‖theirs‖; for a gradient that is zero, relative to all gradients.
  public struct Deviation: Sendable {
    public let name: String
    public let error: Double
  }

  public let output: Double
  public let loss: Double
  /// In the order of the model's parameters.
  public let gradients: [Deviation]

  public var worstGradient: Deviation? {
    gradients.max { $0.error.isNaN ? false : $1.error.isNaN || $0.error < $1.error }
  }

  /// The largest of all deviations; NaN if one is.
  public var worst: Double {
    ([output, loss] + gradients.map(\.error)).reduce(0) { $0.isNaN || $1.isNaN ? .nan : max($0, $1) }
  }

  /// Names of a case's tensors and metadata.
  private enum Name {
    static let model = "model"
    static let loss = "loss"
    static let x = "x"
    static let t = "t"
    static let target = "target"
    static let output = "output"
    static let labels = "y"
    static let weights = "model/"
    static func gradient(_ name: String) -> String { "grad/\(name)" }
  }

  /// Runs the case in the file at `path`.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, not used or of another shape; `SafetensorsError`;
  ///   `FileError`; `SettingsError` for a model that cannot be made.
  public init(case path: String, engine: Engine) throws {
    let file = try SafetensorsFile(path: path)
    let (model, lossFunction) = try Self.description(file)
    let tensors = model.parameters.trained.flatMap(\.fileTensors)
    let shape = try Self.imageShape(file, model)
    let (batch, height, width) = (shape[0], shape[2], shape[3])
    let predictionShape = [batch, model.predictionChannels, height, width]
    let labels = try Self.labels(file, model, batch: batch)
    var expected = StateDict.shapes(of: model.parameters, prefix: Name.weights)
    expected[Name.x] = shape
    expected[Name.t] = [batch]
    expected[Name.target] = predictionShape
    expected[Name.output] = predictionShape
    expected[Name.loss] = []
    if labels != nil { expected[Name.labels] = [batch] }
    for tensor in tensors { expected[Name.gradient(tensor.name)] = tensor.shape }
    try StateDict.require(expected, in: file)

    let weights = try StateDict.read(model.parameters, from: file, prefix: Name.weights)
    let flatGradients = ParameterBuffer(count: weights.count)
    let tape = Tape(engine: engine, weights: weights, gradients: flatGradients)
    let x = tape.input([batch, height, width, shape[1]])
    _ = x.elements.update(fromContentsOf: Self.channelsLast(try file.floats(Name.x), shape))
    let prediction = model(
      x, timesteps: try file.int64s(Name.t).map { Float($0) },
      conditioning: labels.map { Conditioning(classes: $0) } ?? .none(batch: batch))
    let theirOutput = Self.channelsLast(try file.floats(Name.output), predictionShape)
    output = Self.deviation(of: prediction.elements, from: theirOutput)

    let target = Self.channelsLast(try file.floats(Name.target), predictionShape)
    let gradient = engine.storage(prediction.count)
    let value = lossFunction(
      prediction: prediction.storage.pointer, target: target, batch: batch, size: prediction.count / batch,
      gradient: gradient.pointer, pool: engine.threads)
    loss = Self.deviation(of: [Float(value)], from: try file.floats(Name.loss))

    tape.backward(from: prediction, gradient: gradient)
    let theirs = try tensors.map { try file.floats(Name.gradient($0.name)) }
    let whole = Self.length(theirs.joined())
    gradients = zip(tensors, theirs).map { tensor, theirs in
      let ours = tensor.exported(from: flatGradients.pointer)
      let isZero = Self.length(theirs) < Self.zeroGradient * whole
      return Deviation(
        name: tensor.name, error: Self.deviation(of: ours, from: theirs, length: isZero ? whole : nil))
    }
  }

  /// A gradient that is a smaller part of all of them together is what rounding leaves of zero, such as that of a bias
  /// before a normalisation of its channel. Its deviation is relative to all of them.
  private static let zeroGradient = 1e-6

  /// The model and the loss that the metadata name.
  private static func description(_ file: SafetensorsFile) throws -> (any Denoiser, PredictionLoss) {
    guard let text = file.metadata[Name.model] else {
      throw ModelFileError(file.path, "its metadata have no \"\(Name.model)\", the JSON of a model section")
    }
    let reader = try SettingsReader(
      SettingsNode(yaml: text, source: "\(file.path), metadata \(Name.model)"), path: Name.model)
    let model = try DenoiserKind.model(reader)
    try reader.finish()
    let names = PredictionLoss.allCases.map(\.rawValue).joined(separator: ", ")
    guard let loss = file.metadata[Name.loss].flatMap({ PredictionLoss(rawValue: $0) }) else {
      throw ModelFileError(
        file.path,
        "its metadata \"\(Name.loss)\" is \(file.metadata[Name.loss] ?? "missing"), expected one of \(names)")
    }
    return (model, loss)
  }

  /// The images' classes, if the case has any. A number that is one too large stands for no class, as in DiT.
  private static func labels(
    _ file: SafetensorsFile, _ model: any Denoiser, batch: Int
  ) throws -> [Int?]? {
    guard let classes = model.classes, file.contains(Name.labels) else { return nil }
    let labels = try file.int64s(Name.labels).map { Int($0) }
    let limit = classes.count + (classes.dropout > 0 ? 1 : 0)
    if let wrong = labels.first(where: { !(0..<limit).contains($0) }) {
      throw ModelFileError(file.path, "\(Name.labels) holds \(wrong), expected 0 to \(limit - 1)")
    }
    guard labels.count == batch else {
      throw ModelFileError(file.path, "\(Name.labels) has \(labels.count) labels for \(batch) images")
    }
    return labels.map { $0 < classes.count ? $0 : nil }
  }

  private static func imageShape(_ file: SafetensorsFile, _ model: any Denoiser) throws -> [Int] {
    let shape = try file.shape(of: Name.x)
    guard shape.count == 4, shape.allSatisfy({ $0 > 0 }) else {
      throw ModelFileError(file.path, "\(Name.x) has shape \(shape), expected [B, C, H, W]")
    }
    do {
      try model.check(height: shape[2], width: shape[3], channels: shape[1])
    } catch {
      throw ModelFileError(file.path, "\(Name.x) has shape \(shape): \(error)")
    }
    return shape
  }

  /// [B, C, H, W] to [B, H, W, C].
  private static func channelsLast(_ values: [Float], _ shape: [Int]) -> [Float] {
    let (channels, pixels) = (shape[1], shape[2] * shape[3])
    return [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
      for image in 0..<shape[0] {
        for channel in 0..<channels {
          for pixel in 0..<pixels {
            buffer[(image * pixels + pixel) * channels + channel] =
              values[(image * channels + channel) * pixels + pixel]
          }
        }
      }
      count = values.count
    }
  }

  /// Relative to their length, or the one given; absolute where that is 0.
  private static func deviation(
    of ours: some Collection<Float>, from theirs: [Float], length given: Double? = nil
  ) -> Double {
    let length = given ?? length(theirs)
    let difference = zip(ours, theirs).reduce(0) {
      $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
    }.squareRoot()
    return length > 0 ? difference / length : difference
  }

  private static func length(_ values: some Sequence<Float>) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }
}
