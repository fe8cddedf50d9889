import Checkpoints
import Layers
import Safetensors
import Tensors

/// A model's tensors in a safetensors file: PyTorch's state dict, with its names and layouts.
enum StateDict {
  /// The shapes of the tensors in a state dict of `layout`.
  static func shapes(of layout: ParameterLayout) -> [String: [Int]] {
    var shapes: [String: [Int]] = [:]
    for tensor in layout.fileTensors { shapes[tensor.name] = tensor.shape }
    for name in layout.batchCounters { shapes[name] = [] }
    return shapes
  }

  /// Reads the tensors of `layout` from a file that contains no others, apart from those of `WrappedTensors`.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, unused, of another shape or non-finite;
  ///   `SafetensorsError`, `FileError`.
  static func weights(of layout: ParameterLayout, in file: some TensorSource) throws -> ParameterBuffer {
    let expected = shapes(of: layout)
    let file = WrappedTensors.unwrapping(file, for: Set(expected.keys))
    try require(expected, in: file)
    let weights = try read(layout, from: file)
    try requireFinite(layout, weights, of: file)
    return weights
  }

  /// Throws unless the file contains exactly these tensors, with these shapes.
  static func require(_ expected: [String: [Int]], in file: some TensorSource) throws {
    let present = Set(file.names)
    let lists = [
      ("lacks", Set(expected.keys).subtracting(present)),
      ("has what the model does not use", present.subtracting(expected.keys)),
    ]
    let problems = lists.filter { !$0.1.isEmpty }.map { what, names in
      let more = names.count > 5 ? " and \(names.count - 5) more" : ""
      return "\(what): \(names.sorted().prefix(5).joined(separator: ", "))\(more)"
    }
    guard problems.isEmpty else { throw ModelFileError(file.path, problems.joined(separator: "; ")) }
    for (name, shape) in expected.sorted(by: { $0.key < $1.key }) {
      let found = try file.shape(of: name)
      // A scalar may also be stored as a list of one element.
      guard found == shape || shape.isEmpty && found == [1] else {
        throw ModelFileError(file.path, "\(name) has shape \(found), the model's is \(shape)")
      }
    }
  }

  /// The tensors of `layout`, from a file already checked to contain them.
  ///
  /// - Parameter name: maps a tensor to its name in the file.
  /// - Throws: `FileError`; `SafetensorsError`, also for tensors of another type than float.
  static func read(
    _ layout: ParameterLayout, from file: some TensorSource, name: (FileTensor) -> String = \.name
  ) throws -> ParameterBuffer {
    let flat = ParameterBuffer(count: layout.flatCount)
    for tensor in layout.fileTensors {
      tensor.import(from: try file.floats(name(tensor)), to: flat.pointer)
    }
    return flat
  }

  /// - Throws: `ModelFileError` naming the first tensor with a non-finite value.
  static func requireFinite(_ layout: ParameterLayout, _ flat: ParameterBuffer, of file: some TensorSource)
    throws
  {
    for parameter in layout.parameters {
      let values = UnsafeBufferPointer(start: flat.pointer + parameter.offset, count: parameter.count)
      let count = values.nonFiniteCount()
      guard count == 0 else {
        throw ModelFileError(
          file.path, "\(parameter.name) holds \(count) of \(parameter.count) values that are NaN or infinite")
      }
    }
  }

  /// Adds the tensors of `layout` to a file.
  ///
  /// - Parameters:
  ///   - batches: the value of PyTorch's batch counters.
  ///   - names: tensors' names in the file, where they differ.
  static func add(
    _ layout: ParameterLayout, from flat: ParameterBuffer, batches: Int, to file: inout SafetensorsWriter,
    names: [String: String] = [:]
  ) {
    for tensor in layout.fileTensors {
      file.add(
        names[tensor.name] ?? tensor.name, shape: tensor.shape, floats: tensor.exported(from: flat.pointer))
    }
    for name in layout.batchCounters { file.add(name, shape: [], int64s: [Int64(batches)]) }
  }
}

/// A tensor file that does not fit the model, or lacks a description of itself.
public struct ModelFileError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let problem: String

  init(_ path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  public var description: String { "\(path): \(problem)" }
}
