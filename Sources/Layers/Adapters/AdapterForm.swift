import Tensors

/// The kinds of adapters, by their names in configurations.
public enum AdapterKind: String, CaseIterable, Sendable {
  case lora
  case loha
  case lokr

  /// The factors of each kind: their tensors in files, and their product on a tape.
  var factors: any AdapterFactors.Type {
    switch self {
    case .lora: LowRankFactors.self
    case .loha: HadamardFactors.self
    case .lokr: KroneckerFactors.self
    }
  }
}

/// The parameterisation of the change of a module's weights.
public enum AdapterForm: Hashable, Sendable {
  /// B A (Hu et al., "LoRA", 2021).
  case lora(rank: Int)
  /// The elementwise product (A1 B1) * (A2 B2) (Hyeon-Woo et al., "FedPara", 2021).
  ///
  /// - isTucker: whether separate tensors hold the kernel of a convolution.
  case loha(rank: Int, isTucker: Bool)
  /// A Kronecker product (Yeh et al., "LyCORIS", 2023).
  case lokr(KroneckerForm)

  /// The form of a new adapter of `module`.
  public init(_ kind: AdapterKind, rank: Int, of module: AdaptableModule) {
    self =
      switch kind {
      case .lora: .lora(rank: rank)
      case .loha: .loha(rank: rank, isTucker: false)
      case .lokr: .lokr(KroneckerForm(rank: rank, outputs: module.outputs, inputs: module.fileInputs))
      }
  }

  public var kind: AdapterKind {
    switch self {
    case .lora: .lora
    case .loha: .loha
    case .lokr: .lokr
    }
  }

  /// The rank by which alpha is divided; nil if no factor has one.
  public var rank: Int? {
    switch self {
    case .lora(let rank), .loha(let rank, _): rank
    case .lokr(let form): form.second.rank ?? form.first.rank
    }
  }

  /// The factors of a module's change.
  ///
  /// - Parameter builder: receives their parameters.
  func factors(_ builder: ParameterBuilder, _ module: AdaptableModule) -> any AdapterFactors {
    switch self {
    case .lora(let rank): LowRankFactors(builder, module, rank: rank)
    case .loha(let rank, let isTucker): HadamardFactors(builder, module, rank: rank, isTucker: isTucker)
    case .lokr(let form): KroneckerFactors(builder, module, form)
    }
  }
}
