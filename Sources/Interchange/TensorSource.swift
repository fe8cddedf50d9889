import Safetensors

/// Where tensors are read from: one safetensors file, or several.
protocol TensorSource {
  /// What messages name.
  var path: String { get }
  var names: [String] { get }
  func shape(of name: String) throws -> [Int]
  /// The elements of a tensor of floats, in the order of its shape.
  func floats(_ name: String) throws -> [Float]
}

extension SafetensorsFile: TensorSource {}
