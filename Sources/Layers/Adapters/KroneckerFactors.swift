import Tensors

/// The factors of LoKr: a small matrix, and one or more tensors that hold the kernel of a convolution.
struct KroneckerFactors: AdapterFactors {
  static let tensorPrefix = "lokr_"
  static let tensorNames = ["lokr_w1", "lokr_w2"].flatMap { [$0, "\($0)_a", "\($0)_b"] } + ["lokr_t2"]
  static let rankNames = ["lokr_t2", "lokr_w2_b", "lokr_w1_b"]

  static func form(_ shapes: AdapterShapes) throws -> AdapterForm {
    let first: KroneckerForm.Factor
    let sides: (outputs: Int, inputs: Int)
    if shapes.contains("lokr_w1") {
      let whole = try shapes("lokr_w1")
      (first, sides) = (.whole, (whole[0], whole[1]))
    } else {
      let (a, b) = (try shapes("lokr_w1_a"), try shapes("lokr_w1_b"))
      (first, sides) = (.product(rank: b[0]), (a[0], b[1]))
    }
    let second: KroneckerForm.Factor
    if shapes.contains("lokr_w2") {
      second = .whole
    } else if shapes.contains("lokr_t2") {
      second = .tucker(rank: try shapes("lokr_t2")[0])
    } else {
      second = .product(rank: try shapes("lokr_w2_b")[0])
    }
    let module = shapes.module
    guard module.outputs % sides.outputs == 0, module.fileInputs % sides.inputs == 0 else {
      throw AdapterFormError(
        "\(module.name).lokr_w1 is of [\(sides.outputs), \(sides.inputs)], which does not divide the "
          + "[\(module.outputs), \(module.fileInputs)] of the module")
    }
    return .lokr(
      KroneckerForm(firstOutputs: sides.outputs, firstInputs: sides.inputs, first: first, second: second))
  }

  private enum Factor: Sendable {
    case whole(Parameter)
    case matrices(MatrixFactors)
    case tucker(TuckerFactors)

    func product(on tape: Tape) -> Tensor {
      switch self {
      case .whole(let parameter): tape(parameter)
      case .matrices(let factors): factors.product(on: tape)
      case .tucker(let factors): factors.product(on: tape)
      }
    }
  }

  private let first: Factor
  private let second: Factor
  /// The number of pixels that files store as channels.
  private let foldedTaps: Int

  init(_ builder: ParameterBuilder, _ module: AdaptableModule, _ form: KroneckerForm) {
    foldedTaps = module.fileInputs / module.inputs
    // The first factor is initialised to zero.
    first = Self.factor(
      builder, "lokr_w1", form.first, outputs: form.firstOutputs, inputs: form.firstInputs, kernel: [],
      startsFromZero: true)
    second = Self.factor(
      builder, "lokr_w2", form.second, outputs: module.outputs / form.firstOutputs,
      inputs: module.fileInputs / form.firstInputs, kernel: module.kernel, startsFromZero: false)
  }

  private static func factor(
    _ builder: ParameterBuilder, _ name: String, _ form: KroneckerForm.Factor, outputs: Int, inputs: Int,
    kernel: [Int], startsFromZero: Bool
  ) -> Factor {
    let taps = kernel.reduce(1, *)
    switch form {
    case .whole:
      return .whole(
        builder.weights(
          name, fileShape: [outputs, inputs] + kernel, outputs: outputs, inputs: inputs, taps: taps,
          startsFromZero ? .zeros : .kaiming(fanIn: inputs * taps)))
    case .product(let rank):
      return .matrices(
        MatrixFactors(
          builder, names: (outer: "\(name)_a", inner: "\(name)_b"), outputs: outputs, inputs: inputs,
          taps: taps, rank: rank, startsFromZero: startsFromZero ? .outer : nil))
    case .tucker(let rank):
      return .tucker(
        TuckerFactors(
          builder, names: (core: "lokr_t2", outer: "\(name)_a", inner: "\(name)_b"), outputs: outputs,
          inputs: inputs, kernel: kernel, rank: rank, startsFromZero: startsFromZero))
    }
  }

  func product(on tape: Tape) -> Tensor {
    let product = first.product(on: tape).kroneckerProduct(with: second.product(on: tape))
    guard foldedTaps > 1 else { return product }
    // In files the pixels of a channel are contiguous, in memory the channels of a pixel.
    let (inputs, outputs) = (product.shape[1] / foldedTaps, product.shape[2])
    let byInput = product.reshaped([inputs, foldedTaps, outputs])
    return .concatenated(
      (0..<foldedTaps).map { byInput.part($0..<$0 + 1, axis: 1).reshaped([1, inputs, outputs]) }, axis: 0)
  }
}
