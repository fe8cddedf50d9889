/// Tensors whose names and shapes do not form a valid adapter.
public struct AdapterFormError: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension AdapterKind {
  /// The prefix of the names of its tensors, after the name of their module.
  public var tensorPrefix: String { factors.tensorPrefix }

  /// The tensors whose first dimension is the rank by which alpha is divided: the first of them that a module has.
  public var rankNames: [String] { factors.rankNames }

  /// The kinds that tensors with these names, after the name of their module, belong to.
  public static func kinds(of names: some Sequence<String>) -> Set<AdapterKind> {
    Set(names.flatMap { name in allCases.filter { name.hasPrefix($0.tensorPrefix) } })
  }
}

extension AdapterForm {
  /// peft's names of tensors, after the name of their module.
  public static let tensorNames = AdapterKind.allCases.flatMap { $0.factors.tensorNames } + magnitudeNames

  /// Infers the form of a module's adapter from its tensors in a file.
  ///
  /// - Parameter shapes: the shapes of all of them, by `tensorNames`.
  /// - Throws: `AdapterFormError` if a tensor is missing, or inconsistent with the others or with the module. The
  ///   remaining shapes are checked by comparison with an `Adapter` of this form.
  public init(shapes: [String: [Int]], of module: AdaptableModule) throws {
    let shapes = shapes.filter { !Self.magnitudeNames.contains($0.key) }
    let kinds = AdapterKind.kinds(of: shapes.keys)
    guard kinds.count == 1, let kind = kinds.first else {
      throw AdapterFormError(
        "\(module.name) has tensors of several kinds of adapters: \(shapes.keys.sorted().joined(separator: ", "))"
      )
    }
    self = try kind.factors.form(AdapterShapes(shapes, of: module))
  }
}

/// The shapes of the tensors of a module's adapter in a file.
struct AdapterShapes {
  let module: AdaptableModule
  private let shapes: [String: [Int]]

  init(_ shapes: [String: [Int]], of module: AdaptableModule) {
    self.shapes = shapes
    self.module = module
  }

  func contains(_ name: String) -> Bool { shapes[name] != nil }

  /// The shape of a matrix.
  ///
  /// - Throws: `AdapterFormError` if there is none, or it is no matrix's.
  func callAsFunction(_ name: String) throws -> [Int] {
    guard let shape = shapes[name] else { throw AdapterFormError("lacks \(module.name).\(name)") }
    guard shape.count >= 2, shape.allSatisfy({ $0 > 0 }) else {
      throw AdapterFormError("\(module.name).\(name) has shape \(shape), which is no matrix's")
    }
    return shape
  }
}
