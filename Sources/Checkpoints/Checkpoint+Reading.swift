import Configuration
import Files
import HDF5
import Layers
import Tensors

extension Checkpoint {
  /// Reads the weights, or their average, into new memory, and compares the file that they are in with its digest.
  ///
  /// - Throws: `CheckpointError` if the file is damaged, if they are not those of a model with `layout`, or if one of
  ///   them is no finite number; `FileError`.
  ///
  /// - Parameter member: ``StateMember/weights``, or an average.
  public func weights(_ member: StateMember, layout: ParameterLayout) throws -> ParameterBuffer {
    try weights([member], layout: layout)[0]
  }

  /// Several of them, from one reading of the file.
  ///
  /// - Throws: as for one.
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
    var names = Set(tensors.keys)
    // What an autoencoder was trained with is for its training only.
    if manifest.configuration[TaskSettings.AdversarySection.key] != nil {
      names = names.filter { !$0.hasPrefix(TaskSettings.AdversarySection.prefix) }
    }
    try requireSame(names, Set(layout.fileTensors.map(\.name)), member)
    try requireShapes(file, layout)
    for parameter in layout.parameters {
      try file.import(parameter, of: member.name, to: flat.pointer, startingAt: 0)
    }
    try requireFinite(layout.parameters, flat.pointer, 0..<layout.flatCount, member)
    return flat
  }

  // MARK: Whether they are what is wanted

  /// Where the tensors of `member` are, in words.
  func place(_ member: StateMember) -> String {
    let optimizerFiles = manifest.files.map(\.name).filter { $0 != Self.modelFile }
    let file: String? =
      switch member.kind {
      case .weights, .average: Self.modelFile
      case .moment: optimizerFiles.count == 1 ? optimizerFiles[0] : nil
      }
    return "\(directory)\(file.map { "/\($0)" } ?? ""), /\(member.name)"
  }

  /// - Throws: `CheckpointError` naming what a model lacks, or has more than the configured one.
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

  /// - Throws: `CheckpointError` naming the first tensor of `file` that has another shape than in `layout`.
  func requireShapes(_ file: VerifiedFile, _ layout: ParameterLayout) throws {
    // The weights first: it is them that a message should be about.
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

  /// - Parameter values: those of `range` of the flat memory.
  /// - Throws: `CheckpointError` naming the first tensor that training could not go on with.
  func requireFinite(
    _ parameters: [Parameter], _ values: UnsafePointer<Float>, _ range: Range<Int>,
    _ member: StateMember
  ) throws {
    for parameter in parameters {
      let part = (parameter.offset..<parameter.offset + parameter.count).clamped(to: range)
      let own = UnsafeBufferPointer(start: values + (part.lowerBound - range.lowerBound), count: part.count)
      // A second moment may overflow, which leaves its weight alone.
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
  /// How many values are NaN or, unless allowed, infinite.
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
