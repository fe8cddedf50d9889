import Safetensors

/// The layers of an Inception-v3 in a safetensors file, under the names of torchvision's class.
struct InceptionWeights {
  private let file: SafetensorsFile
  /// The divisor of every layer's width: 1 for Inception-v3 itself.
  let divisor: Int
  private var used: Set<String> = []

  /// ε of all batch normalisations.
  private static let epsilon = 0.001
  /// Channels of the first layer.
  private static let firstWidth = 32
  private static let firstWeight = "Conv2d_1a_3x3.conv.weight"
  /// Other tensors in such files: the classifiers, which features do not use, and training counters.
  private static let unused = (prefixes: ["fc.", "AuxLogits."], suffixes: [".num_batches_tracked"])

  /// - Throws: `SafetensorsError`, `FileError`; `EvaluationError` for another network.
  init(_ path: String) throws {
    file = try SafetensorsFile(path: path)
    let shape = try file.shape(of: Self.firstWeight)
    // All other widths are multiples of 16.
    guard shape.count == 4, [2, 4, 8, 16, 32].contains(shape[0]) else {
      throw EvaluationError(
        path,
        "\(Self.firstWeight) has the shape \(shape), expected [\(Self.firstWidth), 3, 3, 3] as Inception-v3 has"
      )
    }
    divisor = Self.firstWidth / shape[0]
  }

  /// The layer `name`, with the widths of Inception-v3.
  ///
  /// - Throws: `SafetensorsError` for a missing tensor; `EvaluationError` for one of another shape.
  mutating func convolution(
    _ name: String, _ inputs: Int, _ outputs: Int, kernel: (height: Int, width: Int), stride: Int,
    padding: (height: Int, width: Int)
  ) throws -> FoldedConvolution {
    let outputs = outputs / divisor
    func read(_ tensor: String, _ shape: [Int]) throws -> [Float] {
      let tensor = "\(name).\(tensor)"
      let found = try file.shape(of: tensor)
      guard found == shape else {
        throw EvaluationError(file.path, "\(tensor) has the shape \(found), expected \(shape)")
      }
      used.insert(tensor)
      let values = try file.floats(tensor)
      guard values.allSatisfy(\.isFinite) else {
        throw EvaluationError(file.path, "\(tensor) holds numbers that are not finite")
      }
      return values
    }
    let weights = try read("conv.weight", [outputs, inputs, kernel.height, kernel.width])
    let normalization = FoldedConvolution.Normalization(
      scale: try read("bn.weight", [outputs]), shift: try read("bn.bias", [outputs]),
      mean: try read("bn.running_mean", [outputs]), variance: try read("bn.running_var", [outputs]),
      epsilon: Self.epsilon)
    if let negative = normalization.variance.first(where: { $0 < 0 }) {
      throw EvaluationError(
        file.path, "\(name).bn.running_var holds \(negative), expected no negative number")
    }
    return FoldedConvolution(
      .init(inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, padding: padding),
      weights: weights,
      normalization)
  }

  /// - Throws: `EvaluationError` if the file holds tensors that no layer has read, except those known to be unused.
  func requireNothingElse() throws {
    let others = file.names.filter { name in
      !used.contains(name) && !Self.unused.prefixes.contains { name.hasPrefix($0) }
        && !Self.unused.suffixes.contains { name.hasSuffix($0) }
    }
    guard others.isEmpty else {
      let more = others.count > 3 ? " and \(others.count - 3) more" : ""
      throw EvaluationError(
        file.path,
        "holds tensors that Inception-v3 has not: \(others.prefix(3).joined(separator: ", "))\(more)")
    }
  }
}
