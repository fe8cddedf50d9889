import Kernels
import Safetensors
import Settings
import Tensors

/// The file of a parity check: a safetensors file with a network's description, weights, inputs and expected results.
struct ParityFile {
  /// Names of a case's tensors and metadata.
  enum Name {
    static let model = "model"
    static let loss = "loss"
    static let divergenceWeight = "kl_weight"
    static let x = "x"
    static let timesteps = "t"
    static let labels = "y"
    static let context = "context"
    static let noise = "noise"
    static let tokens = "tokens"
    static let target = "target"
    static let output = "output"
    static let weights = "model/"
    static let control = "control"
    static let adapter = "adapter"
    static let adapterWeights = "adapter/"
    static let gradients = "grad/"
  }

  let file: SafetensorsFile

  /// - Throws: `SafetensorsError`, `FileError`.
  init(path: String) throws { file = try SafetensorsFile(path: path) }

  /// An error about this file.
  func problem(_ message: String) -> ModelFileError { ModelFileError(file.path, message) }

  /// The network described by the metadata.
  ///
  /// - Throws: `ModelFileError`, `SettingsError`.
  func network(among roles: [any ParityNetwork.Type]) throws -> any ParityNetwork {
    guard let text = file.metadata[Name.model] else {
      throw problem("its metadata have no \"\(Name.model)\", the JSON of a model section")
    }
    let node = try SettingsNode(yaml: text, source: "\(file.path), metadata \(Name.model)")
    if node[Name.control] != nil {
      let reader = try SettingsReader(node, path: Name.model)
      let network = try ControlParity(reader)
      try reader.finish()
      return network
    }
    // The kind selects the role that reads the rest, including this key.
    let kind = try SettingsReader(node, path: Name.model)
      .requiredChoice("kind", among: roles.flatMap { $0.kinds }, help: "which network")
    guard let role = roles.first(where: { $0.kinds.contains(kind) }) else {
      preconditionFailure("\(kind) is of no role")
    }
    let reader = try SettingsReader(node, path: Name.model)
    let network = try role.init(reader)
    try reader.finish()
    return network
  }

  /// The loss function between output and target.
  func predictionLoss() throws -> PredictionLoss {
    let names = PredictionLoss.allCases.map(\.rawValue).joined(separator: ", ")
    guard let loss = file.metadata[Name.loss].flatMap({ PredictionLoss(rawValue: $0) }) else {
      throw problem(
        "its metadata \"\(Name.loss)\" is \(file.metadata[Name.loss] ?? "missing"), expected one of \(names)")
    }
    return loss
  }

  /// The loss of an output against the target.
  func loss(of output: Tensor) throws -> Tensor {
    output.meanLoss(try predictionLoss(), target: try tensor(Name.target, on: output.tape))
  }

  /// The shape of images [B, C, H, W].
  func imageShape(_ name: String) throws -> [Int] {
    let shape = try file.shape(of: name)
    guard shape.count == 4, shape.allSatisfy({ $0 > 0 }) else {
      throw problem("\(name) has shape \(shape), expected [B, C, H, W]")
    }
    return shape
  }

  /// A tensor of the file as an input: images [B, C, H, W] as [B, H, W, C], others unchanged.
  func tensor(_ name: String, on tape: Tape) throws -> Tensor {
    let shape = try file.shape(of: name)
    let input = tape.input(Self.memoryShape(shape))
    _ = input.elements.update(fromContentsOf: Self.channelsLast(try file.floats(name), shape))
    return input
  }

  /// Integers or floating-point numbers.
  func timesteps() throws -> [Float] {
    switch try file.elementType(of: Name.timesteps) {
    case .int64: try file.int64s(Name.timesteps).map { Float($0) }
    default: try file.floats(Name.timesteps)
    }
  }

  /// Texts of equal length, as tokens below `vocabulary`.
  func tokens(below vocabulary: Int) throws -> [[Int]] {
    let shape = try file.shape(of: Name.tokens)
    let numbers = try file.int64s(Name.tokens)
    if let wrong = numbers.first(where: { $0 < 0 || $0 >= vocabulary }) {
      throw problem("\(Name.tokens) holds \(wrong), expected 0 to \(vocabulary - 1)")
    }
    return (0..<shape[0]).map { text in
      numbers[text * shape[1]..<(text + 1) * shape[1]].map { Int($0) }
    }
  }

  /// [B, L], with L from 1 to `limit`.
  func tokenShape(limit: Int) throws -> [Int] {
    let shape = try file.shape(of: Name.tokens)
    guard shape.count == 2, shape[0] > 0, (1...limit).contains(shape[1]) else {
      throw problem("\(Name.tokens) has shape \(shape), expected [B, L] with L from 1 to \(limit)")
    }
    return shape
  }

  /// The shape in memory of a tensor with this shape in the file.
  static func memoryShape(_ shape: [Int]) -> [Int] {
    shape.count == 4 ? [shape[0], shape[2], shape[3], shape[1]] : shape
  }

  /// [B, C, H, W] to [B, H, W, C]; other shapes unchanged.
  static func channelsLast(_ values: [Float], _ shape: [Int]) -> [Float] {
    guard shape.count == 4 else { return values }
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
}
