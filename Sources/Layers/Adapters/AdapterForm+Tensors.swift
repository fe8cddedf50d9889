/// Tensors whose names and shapes do not form a valid adapter.
public struct AdapterFormError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension AdapterForm {
  /// The suffixes of a module's tensors after the module's name.
  private enum Name {
    static let down = "lora_A.weight"
    static let up = "lora_B.weight"
    static let hadamard = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]
    static let hadamardCores = ["hada_t1", "hada_t2"]
    static let first = "lokr_w1"
    static let second = "lokr_w2"
    static let core = "lokr_t2"
  }

  /// peft's names of tensors, after the name of their module.
  public static let tensorNames =
    [Name.down, Name.up] + Name.hadamard + Name.hadamardCores
    + [Name.first, Name.second].flatMap { [$0, "\($0)_a", "\($0)_b"] } + [Name.core] + magnitudeNames

  /// Infers the form of a module's adapter from its tensors in a file.
  ///
  /// - Parameter shapes: the shapes of all of them, by `tensorNames`.
  /// - Throws: `AdapterFormError` if a tensor is missing, or inconsistent with the others or with the module. The
  ///   remaining shapes are checked by comparison with an `Adapter` of this form.
  public init(shapes: [String: [Int]], of module: AdaptableModule) throws {
    func shape(_ name: String) throws -> [Int] {
      guard let shape = shapes[name] else { throw AdapterFormError("lacks \(module.name).\(name)") }
      guard shape.count >= 2, shape.allSatisfy({ $0 > 0 }) else {
        throw AdapterFormError("\(module.name).\(name) has shape \(shape), which is no matrix's")
      }
      return shape
    }
    let shapes = shapes.filter { !Self.magnitudeNames.contains($0.key) }
    let kinds = Set(shapes.keys.map { $0.prefix(4) })
    guard kinds.count == 1, let kind = kinds.first else {
      throw AdapterFormError(
        "\(module.name) has tensors of several kinds of adapters: \(shapes.keys.sorted().joined(separator: ", "))"
      )
    }
    switch kind {
    case "lora": self = .lora(rank: try shape(Name.down)[0])
    case "hada":
      let isTucker = Name.hadamardCores.contains { shapes[$0] != nil }
      self = .loha(
        rank: isTucker ? try shape(Name.hadamardCores[0])[0] : try shape(Name.hadamard[1])[0],
        isTucker: isTucker)
    default: self = .lokr(try Self.kroneckerForm(shapes, of: module, shape))
    }
  }

  private static func kroneckerForm(
    _ shapes: [String: [Int]], of module: AdaptableModule, _ shape: (String) throws -> [Int]
  ) throws -> KroneckerForm {
    let first: KroneckerForm.Factor
    let sides: (outputs: Int, inputs: Int)
    if shapes[Name.first] != nil {
      let whole = try shape(Name.first)
      (first, sides) = (.whole, (whole[0], whole[1]))
    } else {
      let (a, b) = (try shape("\(Name.first)_a"), try shape("\(Name.first)_b"))
      (first, sides) = (.product(rank: b[0]), (a[0], b[1]))
    }
    let second: KroneckerForm.Factor
    if shapes[Name.second] != nil {
      second = .whole
    } else if shapes[Name.core] != nil {
      second = .tucker(rank: try shape(Name.core)[0])
    } else {
      second = .product(rank: try shape("\(Name.second)_b")[0])
    }
    guard module.outputs % sides.outputs == 0, module.fileInputs % sides.inputs == 0 else {
      throw AdapterFormError(
        "\(module.name).\(Name.first) is of [\(sides.outputs), \(sides.inputs)], which does not divide the "
          + "[\(module.outputs), \(module.fileInputs)] of the module")
    }
    return KroneckerForm(firstOutputs: sides.outputs, firstInputs: sides.inputs, first: first, second: second)
  }

  /// The rank by which alpha is divided; nil if no factor has one.
  public var rank: Int? {
    switch self {
    case .lora(let rank), .loha(let rank, _): rank
    case .lokr(let form): form.second.rank ?? form.first.rank
    }
  }
}
