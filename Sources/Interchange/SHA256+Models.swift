import Files
import Layers
import Tensors

extension SHA256.Stream {
  /// Appends a line of text.
  func append(line: String) { Array("\(line)\n".utf8).withUnsafeBytes { append($0) } }

  /// Appends all tensors of `layout` as stored in files, with their names and shapes.
  func append(_ layout: ParameterLayout, _ weights: ParameterBuffer) {
    for tensor in layout.fileTensors {
      append(line: "\(tensor.name) \(tensor.shape)")
      tensor.exportStretches(from: weights.pointer) { append(UnsafeRawBufferPointer($0)) }
    }
  }
}
