import Layers
import Tensors

extension Adapter {
  /// Adds the adapter's changes to a model's weights, so that the model no longer needs the adapter.
  ///
  /// - Parameters:
  ///   - weights: the adapter's weights.
  ///   - model: the weights of the adapted model, with `layout`.
  ///   - original: the model's weights before any adapter was merged; nil selects those in `model`.
  ///   - factor: the factor of the changes.
  /// - Throws: `AdapterMergeError` for a layer that transforms its weights before use.
  public func merge(
    _ weights: ParameterBuffer, into model: ParameterBuffer, of layout: ParameterLayout,
    from original: ParameterBuffer? = nil, factor: Float = 1
  ) throws {
    let adapted = Set(modules.map(\.name))
    let targets = layout.adaptableModules.filter { adapted.contains($0.name) }
    if let module = targets.first(where: { $0.adaptability == .beside }) {
      throw AdapterMergeError(
        description: "\(module.name) standardises its weights, so that an adapter of it cannot be merged")
    }
    let engine = Engine()
    // Each weight once: several modules may share packed weights.
    let distinct = Dictionary(
      targets.map { ($0.weight.parameter.offset, $0) }, uniquingKeysWith: { first, _ in first })
    for (offset, module) in distinct {
      let tape = Tape(
        engine: engine,
        sets: [
          BoundParameters(parameters.set, weights: weights),
          BoundParameters(layout.set, weights: original ?? model),
        ], adaptation: self)
      let change: Tensor? =
        switch tape.change(of: module.weight.parameter) {
        case .none: nil
        case .sum(let sum): sum
        case .lowRank(let change): change.product
        }
      guard let change else { continue }
      let place = model.pointer + offset
      for index in 0..<change.count { place[index] += factor * change.elements[index] }
    }
  }
}

/// An adapter that cannot be merged into its model's weights.
public struct AdapterMergeError: Error, CustomStringConvertible {
  public let description: String
}
