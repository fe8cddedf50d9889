import Tensors

/// The factors of LoHa: two products that are multiplied elementwise.
struct HadamardFactors: AdapterFactors {
  static let tensorPrefix = "hada_"
  static let tensorNames = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"] + cores
  static let rankNames = ["hada_t1", "hada_w1_b"]
  private static let cores = ["hada_t1", "hada_t2"]

  static func form(_ shapes: AdapterShapes) throws -> AdapterForm {
    let isTucker = cores.contains(where: shapes.contains)
    return .loha(rank: try shapes(isTucker ? "hada_t1" : "hada_w1_b")[0], isTucker: isTucker)
  }

  private enum Half: Sendable {
    case matrices(MatrixFactors)
    case tucker(TuckerFactors)

    func product(on tape: Tape) -> Tensor {
      switch self {
      case .matrices(let factors): factors.product(on: tape)
      case .tucker(let factors): factors.product(on: tape)
      }
    }
  }

  private let halves: (Half, Half)

  init(_ builder: ParameterBuilder, _ module: AdaptableModule, rank: Int, isTucker: Bool) {
    // The second half is initialised to zero.
    func half(_ number: Int) -> Half {
      let (a, b) = ("hada_w\(number)_a", "hada_w\(number)_b")
      guard isTucker else {
        return .matrices(
          MatrixFactors(
            builder, names: (outer: a, inner: b), outputs: module.outputs, inputs: module.inputs,
            taps: module.taps, rank: rank, startsFromZero: number == 2 ? .inner : nil))
      }
      return .tucker(
        TuckerFactors(
          builder, names: (core: "hada_t\(number)", outer: a, inner: b), outputs: module.outputs,
          inputs: module.inputs, kernel: module.kernel, rank: rank, startsFromZero: number == 2))
    }
    halves = (half(1), half(2))
  }

  func product(on tape: Tape) -> Tensor { halves.0.product(on: tape) * halves.1.product(on: tape) }
}
