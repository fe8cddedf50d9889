import Configuration
import Tensors

extension TrainingConfiguration {
  /// Changes a text encoder as the run has: merges the adapter, or replaces the weights that were trained. Does nothing if
  /// the run leaves the encoder as it is.
  ///
  /// - Parameters:
  ///   - trained: all weights that the run trains.
  ///   - encoder: the weights of the encoder that the run has started with.
  /// - Throws: `AdapterMergeError`.
  public func change(_ encoder: ParameterBuffer, by trained: ParameterBuffer) throws {
    if let text = adapter?.text {
      try text.adapter.merge(trained, into: encoder, of: text.encoder.parameters)
    }
    task.diffusion?.trainedText?.copy(from: trained, to: encoder)
  }
}
