import Layers
import Tensors

extension Adapter {
  /// Adds what the adapter changes to a model's weights, which are then those of a model that needs no adapter.
  ///
  /// - Parameters:
  ///   - weights: the adapter's.
  ///   - model: the weights of the model that it is for, with `layout`.
  ///   - original: the model's weights before any adapter was merged; nil: those in `model`.
  ///   - factor: what the change is multiplied by.
  /// - Throws: `AdapterMergeError` for a layer that does not use its weights as they are.
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
    // Each once: several modules may share packed weights.
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

/// An adapter that cannot become a part of its model's weights.
public struct AdapterMergeError: Error, CustomStringConvertible {
  public let description: String
}
