import Configuration
import Files
import HDF5
import Layers
import Tensors

extension Checkpoint {
  /// Reads the weights, or an average of them, into new memory, and verifies the digest of their file.
  ///
  /// - Parameter member: ``StateMember/weights``, or an average.
  /// - Throws: `CheckpointError` if the file is damaged, if the weights do not belong to a model with `layout`, or if
  ///   any of them is not finite; `FileError`.
  public func weights(_ member: StateMember, layout: ParameterLayout) throws -> ParameterBuffer {
    try weights([member], layout: layout)[0]
  }

  /// Reads several members in a single pass over the file.
  ///
  /// - Throws: like the variant for a single member.
  package func weights(_ members: [StateMember], layout: ParameterLayout) throws -> [ParameterBuffer] {
    guard let entry = manifest.files.first(where: { $0.name == Self.modelFile }) else {
      throw CheckpointError(directory, "its manifest does not name \(Self.modelFile)")
    }
    let file = try VerifiedFile(entry, in: directory)
    return try members.map { try weights($0, layout: layout, from: file) }
  }

  private func weights(
    _ member: StateMember, layout: ParameterLayout, from file: VerifiedFile
  ) throws -> ParameterBuffer {
    let flat = ParameterBuffer(count: layout.flatCount)
    guard let tensors = file.tensors[member.name] else {
      let there = file.tensors.keys.sorted().joined(separator: ", ")
      throw CheckpointError.unsuitable(file.path, "holds no weights named \(member.name); it has \(there)")
    }
    let expected = Set(layout.fileTensors.map(\.name))
    // Checkpoints may also contain a network trained alongside, which not every reader wants.
    let others = [
      (TaskSettings.AdversarySection.key, TaskSettings.AdversarySection.prefix),
      (TextEncoderSection.key, TextEncoderSection.prefix),
    ].filter { manifest.configuration[$0.0] != nil }.map(\.1)
    let names = Set(tensors.keys).filter { name in
      expected.contains(name) || !others.contains(where: name.hasPrefix)
    }
    try requireSame(names, expected, member)
    try requireShapes(file, layout)
    for parameter in layout.parameters {
      try file.import(parameter, of: member.name, to: flat.pointer, startingAt: 0)
    }
    try requireFinite(layout.parameters, flat.pointer, 0..<layout.flatCount, member)
    return flat
  }

  // MARK: Validation

  /// Where the tensors of `member` are stored, for messages.
  func place(_ member: StateMember) -> String {
    let optimizerFiles = manifest.files.map(\.name).filter { $0 != Self.modelFile }
    let file: String? =
      switch member.kind {
      case .weights, .average: Self.modelFile
      case .moment: optimizerFiles.count == 1 ? optimizerFiles[0] : nil
      }
    return "\(directory)\(file.map { "/\($0)" } ?? ""), /\(member.name)"
  }

  /// - Throws: `CheckpointError` naming the tensors that are missing or surplus compared with the configured model.
  func requireSame(_ found: Set<String>, _ expected: Set<String>, _ member: StateMember) throws {
    let missing = expected.subtracting(found).sorted()
    let surplus = found.subtracting(expected).sorted()
    guard missing.isEmpty && surplus.isEmpty else {
      let lists = [("lacks", missing), ("has", surplus)].filter { !$0.1.isEmpty }
        .map {
          "\($0) \($1.prefix(3).joined(separator: ", "))\($1.count > 3 ? " and \($1.count - 3) more" : "")"
        }
      throw CheckpointError.unsuitable(
        place(member), "belongs to another model: it \(lists.joined(separator: ", and "))")
    }
  }

  /// - Throws: `CheckpointError` naming the first tensor of `file` whose shape differs from `layout`.
  func requireShapes(_ file: VerifiedFile, _ layout: ParameterLayout) throws {
    // Weights first, since a message should preferably name one of them.
    func place(_ group: String) -> String { group == StateMember.weights.name ? "" : group }
    for (group, tensors) in file.tensors.sorted(by: { place($0.key) < place($1.key) }) {
      for tensor in layout.fileTensors {
        guard let shape = tensors[tensor.name]?.shape, shape != tensor.shape else { continue }
        throw CheckpointError.unsuitable(
          "\(file.path), /\(group)/\(tensor.name)",
          "belongs to another model: it is \(shape), the configured model has \(tensor.shape)")
      }
    }
  }

  /// - Parameter values: the values of `range` of the flat buffer.
  /// - Throws: `CheckpointError` naming the first tensor with values that training could not continue with.
  func requireFinite(
    _ parameters: [Parameter], _ values: UnsafePointer<Float>, _ range: Range<Int>,
    _ member: StateMember
  ) throws {
    for parameter in parameters {
      let part = (parameter.offset..<parameter.offset + parameter.count).clamped(to: range)
      let own = UnsafeBufferPointer(start: values + (part.lowerBound - range.lowerBound), count: part.count)
      // A second moment may overflow to infinity, which only stops its weight from being updated.
      let isMoment = member.kind == .moment
      let count = own.nonFiniteCount(allowingInfinity: isMoment)
      guard count > 0 else { continue }
      throw CheckpointError.unsuitable(
        "\(place(member))/\(parameter.name)",
        "holds \(count) of \(parameter.count) values that are \(isMoment ? "NaN" : "NaN or infinite")")
    }
  }
}

extension UnsafeBufferPointer<Float> {
  /// The number of values that are NaN or, unless allowed, infinite.
  package func nonFiniteCount(allowingInfinity: Bool = false) -> Int {
    let infinity = Float.infinity.bitPattern
    var count: UInt = 0
    if allowingInfinity {
      for value in self { count &+= value.bitPattern & 0x7FFF_FFFF > infinity ? 1 : 0 }
    } else {
      for value in self { count &+= value.bitPattern & infinity == infinity ? 1 : 0 }
    }
    return Int(count)
  }
}
