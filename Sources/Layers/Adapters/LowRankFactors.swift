import Tensors

/// The factors of LoRA. For a convolution, the first has the convolution's kernel and the second is 1x1.
struct LowRankFactors: AdapterFactors {
  static let tensorPrefix = "lora_"
  static let tensorNames = ["lora_A.weight", "lora_B.weight"]
  static let rankNames = ["lora_A.weight"]

  static func form(_ shapes: AdapterShapes) throws -> AdapterForm {
    .lora(rank: try shapes("lora_A.weight")[0])
  }

  /// [taps, C, R] and [1, R, K].
  private let down: Parameter
  private let up: Parameter

  init(_ builder: ParameterBuilder, _ module: AdaptableModule, rank: Int) {
    let size = module.inputs * module.taps
    let shape = [rank] + module.weight.shape.dropFirst()
    down = builder["lora_A"].weights(
      "weight", fileShape: shape, outputs: rank, inputs: module.inputs, taps: module.taps,
      .kaiming(fanIn: size))
    up = builder["lora_B"].weights(
      "weight", fileShape: [module.outputs, rank] + module.kernel.map { _ in 1 }, outputs: module.outputs,
      inputs: rank, taps: 1, .zeros)
  }

  func product(on tape: Tape) -> Tensor { LowRankChange(down: tape(down), up: tape(up)).product }

  /// - Parameter scale: applied to the second factor.
  func factors(on tape: Tape, scale: Float) -> (down: Tensor, up: Tensor) {
    (tape(down), scale == 1 ? tape(up) : tape(up).scaled(by: scale))
  }
}
