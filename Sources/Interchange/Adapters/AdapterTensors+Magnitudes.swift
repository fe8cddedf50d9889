import Layers

// Magnitudes of decomposed weights have different names and shapes in peft's files and in those of kohya and LyCORIS.

extension AdapterTensors {
  private static let own = AdapterForm.magnitudeNames[0]
  private static let others = AdapterForm.magnitudeNames[1]

  /// The number of dimensions of the weights that LoRA's tensors change.
  private static func dimensions(_ tensors: [String: Tensor]) -> Int? {
    tensors["lora_A.weight"]?.shape.count
  }

  /// The tensors of a module, with the magnitudes of LoRA in peft's form.
  ///
  /// - Throws: `ModelFileError` unless there is one magnitude per output.
  static func withOwnMagnitudes(
    _ tensors: [String: Tensor], of module: String, in path: String
  ) throws -> [String: Tensor] {
    guard let magnitudes = tensors[others], let dimensions = dimensions(tensors) else { return tensors }
    let expected = AdapterForm.magnitudeShape(
      .loha, outputs: magnitudes.values.count, dimensions: dimensions)
    guard magnitudes.shape == expected else {
      throw ModelFileError(
        path,
        "\(module).\(others) has shape \(magnitudes.shape), expected \(expected): one number for each output")
    }
    var result = tensors
    result[others] = nil
    result[own] = Tensor(
      shape: AdapterForm.magnitudeShape(
        .lora, outputs: magnitudes.values.count, dimensions: dimensions), values: magnitudes.values)
    return result
  }

  /// The tensors of a module, with the magnitudes of LoRA in the form of kohya and LyCORIS.
  static func withOthersMagnitudes(_ tensors: [String: Tensor]) -> [String: Tensor] {
    guard let magnitudes = tensors[own], let dimensions = dimensions(tensors) else { return tensors }
    var result = tensors
    result[own] = nil
    result[others] = Tensor(
      shape: AdapterForm.magnitudeShape(
        .loha, outputs: magnitudes.values.count, dimensions: dimensions), values: magnitudes.values)
    return result
  }

  /// Whether any module's weights are decomposed.
  static func isDecomposed(_ modules: [Module]) -> Bool {
    modules.contains { !Set($0.tensors.keys).isDisjoint(with: AdapterForm.magnitudeNames) }
  }

  /// Throws if peft has no name for one of the adapter's tensors.
  func requireNamesOfPeft(_ path: String) throws {
    guard let module = modules.first(where: { $0.tensors[Self.others] != nil }) else { return }
    throw ModelFileError(
      path,
      "peft decomposes the weights of LoRA only, and this adapter those of \(module.name) as LyCORIS does: --format kohya "
        + "has a name for them")
  }
}
