import Checkpoints
import Layers
import Safetensors
import Tensors

/// A model's tensors in a safetensors file: PyTorch's state dict, under its names and in its layouts.
enum StateDict {
  /// What a state dict of `layout` holds.
  static func shapes(of layout: ParameterLayout) -> [String: [Int]] {
    var shapes: [String: [Int]] = [:]
    for tensor in layout.fileTensors { shapes[tensor.name] = tensor.shape }
    for name in layout.batchCounters { shapes[name] = [] }
    return shapes
  }

  /// The tensors of `layout`, and nothing else, from a file.
  ///
  /// - Throws: `ModelFileError` naming tensors that are missing, not used or of another shape, or that hold what is no
  ///   finite number; `SafetensorsError`, `FileError`.
  static func weights(of layout: ParameterLayout, in file: some TensorSource) throws -> ParameterBuffer {
    try require(shapes(of: layout), in: file)
    let weights = try read(layout, from: file)
    try requireFinite(layout, weights, of: file)
    return weights
  }

  /// Throws unless the file has these tensors, of these shapes, and no others.
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
      // A number may also come as a list of one.
      guard found == shape || shape.isEmpty && found == [1] else {
        throw ModelFileError(file.path, "\(name) has shape \(found), the model's is \(shape)")
      }
    }
  }

  /// The tensors of `layout`, from a file that has been found to hold them.
  ///
  /// - Parameter name: what the file calls a tensor.
  /// - Throws: `FileError`; `SafetensorsError`, also for tensors that are no floats.
  static func read(
    _ layout: ParameterLayout, from file: some TensorSource, name: (FileTensor) -> String = \.name
  ) throws -> ParameterBuffer {
    let flat = ParameterBuffer(count: layout.flatCount)
    for tensor in layout.fileTensors {
      tensor.import(from: try file.floats(name(tensor)), to: flat.pointer)
    }
    return flat
  }

  /// - Throws: `ModelFileError` naming the first tensor that nothing could be computed with.
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
  ///   - batches: what PyTorch's counters of batches say.
  ///   - names: what the file calls tensors, where that differs.
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

/// A file of tensors that does not fit the model, or lacks what it should say about itself.
public struct ModelFileError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let problem: String

  init(_ path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  public var description: String { "\(path): \(problem)" }
}
