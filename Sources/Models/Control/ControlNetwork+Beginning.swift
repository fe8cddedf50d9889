import Layers
import Tensors

// Initialisation of a control network: a copy of the denoiser's encoder whose outputs pass through zero convolutions,
// so that the denoiser's predictions are unchanged at first (Zhang et al., 2023, section 3.1).

extension ControlNetwork {
  /// Copies the tensors that are initialised from the denoiser.
  ///
  /// - Parameters:
  ///   - weights: the denoiser's weights.
  ///   - own: the control network's weights; others are left unchanged.
  /// - Throws: `ModelError` naming a tensor that the denoiser lacks or has in another shape.
  public func copyEncoder(
    of denoiser: any Denoiser, _ weights: ParameterBuffer, into own: ParameterBuffer
  ) throws {
    let sources = Dictionary(
      uniqueKeysWithValues: denoiser.parameters.fileTensors.map { ($0.name, $0) })
    for tensor in parameters.fileTensors where isCopied(tensor) {
      guard let source = sources[tensor.name] else {
        throw ModelError("the denoiser has no \(tensor.name), which the control network begins as a copy of")
      }
      guard source.shape == tensor.shape else {
        throw ModelError(
          "\(tensor.name) has shape \(tensor.shape), and \(source.shape) in the denoiser, which the control network begins "
            + "as a copy of")
      }
      tensor.import(from: source.exported(from: weights.pointer), to: own.pointer)
    }
  }

  /// Throws if the denoiser's prediction does not depend on its skip connections: combined with the network's zero
  /// convolutions, this would keep its gradients at zero for ever.
  ///
  /// - Parameters:
  ///   - weights: the denoiser's weights.
  ///   - own: the control network's weights.
  public func requireEffect(
    on denoiser: any Denoiser, _ weights: ParameterBuffer, own: ParameterBuffer, engine: Engine
  ) throws {
    let side = Self.side(of: denoiser)
    func prediction(moved: Bool) -> [Float] {
      let tape = Tape(
        engine: engine,
        sets: [
          BoundParameters(denoiser.parameters.set, weights: weights),
          BoundParameters(parameters.set, weights: own),
        ])
      let images = tape.zeros([1, side, side, imageChannels])
      var conditioning = Conditioning.none(batch: 1)
      conditioning.context = denoiser.contextWidth.map { tape.zeros([1, 1, $0]) }
      let sides = [Int](repeating: side * conditionScale, count: 2)
      let residuals = self(
        images, timesteps: [0], condition: tape.zeros([1] + sides + [conditionChannels]),
        conditioning: conditioning)
      func other(_ residual: Tensor) -> Tensor {
        guard moved else { return residual }
        let change = tape.input(residual.shape)
        // A pattern that no normalisation cancels.
        for index in change.elements.indices { change.elements[index] = Float(index * index % 7) }
        return residual + change
      }
      conditioning.control = Conditioning.ControlResiduals(
        skips: residuals.skips.map(other), middle: other(residuals.middle))
      return Array(denoiser(images, timesteps: [0], conditioning: conditioning).elements)
    }
    guard prediction(moved: false) == prediction(moved: true) else { return }
    throw ModelError(
      "has not been trained: what a control network adds changes nothing in its prediction, so that the network's "
        + "zero convolutions would never get a gradient; train it first")
  }

  /// The side of the smallest images that the denoiser accepts.
  private static func side(of denoiser: any Denoiser) -> Int {
    switch denoiser.imageSize {
    case .multiples(let divisor): divisor
    case .square(let side): side
    }
  }
}
