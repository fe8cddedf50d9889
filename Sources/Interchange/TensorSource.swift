import Safetensors

/// A source of tensors: one safetensors file, or several.
protocol TensorSource {
  /// The path in messages.
  var path: String { get }
  var names: [String] { get }
  func shape(of name: String) throws -> [Int]
  /// The elements of a float tensor, in row-major order.
  func floats(_ name: String) throws -> [Float]
}

extension SafetensorsFile: TensorSource {}
