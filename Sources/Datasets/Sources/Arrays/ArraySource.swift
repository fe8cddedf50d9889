/// Samples in arrays of numbers and text, from HDF5 and NumPy files.
public final class ArraySource: SampleSource {
  public let name: String
  public let split: String
  public let classNames: [String]
  public let count: Int
  public var fields: [Field] { parts.map(\.field) }

  /// A field and its origin.
  private struct Part {
    enum Content {
      case numbers(ArrayValues)
      case mask(StackedVariables)
      case labels([Int32])
      case texts([String])
    }

    let field: Field
    let content: Content
  }

  private let parts: [Part]

  /// Opens the arrays of `path`. Floating-point arrays are read once for their statistics.
  ///
  /// - Parameter progress: called periodically with the number of samples read, and their total.
  /// - Throws: `DatasetError` naming file and array if one is missing, damaged or of another type; and the element, for
  ///   a missing or infinite value.
  public init(
    _ path: String, format: ArrayImport.Format, _ options: ArrayImport, name: String, split: Split,
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws {
    let container: any ArrayContainer =
      switch format {
      case .hdf5: try HDF5Container(path, isMATLAB: options.isMATLAB)
      case .numpy: try NumPyContainer(path)
      }
    func grid(_ name: String?) throws -> ArrayVariable {
      let array = try container.array(name)
      return try ArrayVariable(
        array, layout: ArrayLayout(grid: array, order: options.order, isMATLAB: options.isMATLAB))
    }
    let images = try StackedVariables(
      options.images.isEmpty ? [grid(nil)] : options.images.map { try grid($0) })
    let count = images.count
    var sets = [(name: "images", role: FieldRole.image, variables: images)]
    var texts: [(field: Field, strings: [String])] = []
    for (index, extra) in options.extras.enumerated() {
      let number = options.extras[..<index].count { $0.role == extra.role }
      let name = "\(extra.role.rawValue)s".replacing("-", with: "_") + (number == 0 ? "" : "_\(number + 1)")
      if extra.role == .caption {
        let strings = try extra.variables.map { try container.texts($0) }
        for (variable, strings) in zip(extra.variables, strings) where strings.count != count {
          throw DatasetError.badData(path, "\(variable) holds \(strings.count) texts for \(count) samples")
        }
        let shape = strings.count == 1 ? [] : [strings.count]
        texts.append(
          (
            Field(name: name, type: .text, shape: shape, role: .caption),
            (0..<count).flatMap { sample in strings.map { $0[sample] } }
          ))
        continue
      }
      let isGrid = [.image, .condition, .mask, .latentMean, .latentDeviation].contains(extra.role)
      let variables = try StackedVariables(
        extra.variables.map { name in
          if isGrid { return try grid(name) }
          let array = try container.array(name)
          return ArrayVariable(array, layout: try ArrayLayout(vectors: array))
        })
      guard variables.count == count else {
        throw DatasetError.badData(
          variables.variables[0].array.place,
          "holds \(variables.count) samples, but \(images.variables[0].array.name) holds \(count)")
      }
      sets.append((name, extra.role, variables))
    }

    var parts: [Part] = []
    for (index, set) in sets.enumerated() {
      let values = try ArrayValues(
        set.variables, name: set.name, role: set.role, options,
        progress: { progress(index * count + $0, sets.count * count) })
      parts.append(Part(field: values.field, content: .numbers(values)))
      if let mask = values.field.maskedBy {
        parts.append(
          Part(
            field: Field(name: mask, type: .uint8, shape: values.field.shape, role: .mask),
            content: .mask(set.variables)))
      }
    }
    parts += texts.map { Part(field: $0.field, content: .texts($0.strings)) }
    let list = try container.labels(options.labels).map {
      try LabelList($0, count: count, classNames: options.classNames)
    }
    parts.append(
      Part(field: .labels, content: .labels(list?.labels ?? [Int32](repeating: -1, count: count))))
    self.parts = parts
    self.count = count
    classNames = list?.classNames ?? []
    self.name = name
    self.split = split.rawValue
  }

  public func read(_ index: Int, into sample: SampleSlot) throws {
    for (number, part) in parts.enumerated() {
      switch part.content {
      case .numbers(let values): try values.read(index, into: sample.bytes(number))
      case .mask(let variables):
        let bytes = sample.bytes(number)
        try variables.visit(index) { place, _, value, _ in bytes[place] = value == nil ? 0 : 1 }
      case .labels(let labels): sample.bytes(number).storeBytes(of: labels[index], as: Int32.self)
      case .texts(let strings):
        let count = part.field.elementCount
        sample.set(Array(strings[index * count..<(index + 1) * count]), field: number)
      }
    }
  }
}
