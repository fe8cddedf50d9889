import Files
import Foundation
import Layers
import MPI
import Tensors

extension Checkpoint {
  /// Reads the whole training state in this process.
  ///
  /// - Throws: `CheckpointError` if a file is damaged or belongs to another model, or if a value is non-finite;
  ///   `FileError`.
  public func restore(_ state: ShardedState) throws { try restore(state, on: nil) }

  /// Reads the training state on all ranks: each file is read and verified by one rank, which distributes its contents
  /// to the others. Collective.
  ///
  /// - Parameter communicator: nil for this process alone.
  /// - Throws: `CheckpointError`, the same on all ranks, which leaves the state undefined; `CollectiveFailure`,
  ///   `MPIError`.
  package func restore(_ state: ShardedState, on communicator: Communicator?) throws {
    let ranks = Ranks(communicator)
    let layout = state.layout
    let files = try filesToRead()
    // The files of each rank; in each round, a rank reads one of them.
    let readers = Self.readers(of: files.map(\.bytes), ranks: ranks.size)
    let shares = (0..<ranks.size).map { rank in files.indices.filter { readers[$0] == rank } }
    var found: [String] = []
    let memory = ParameterBuffer(count: layout.parameters.map(\.count).max() ?? 0)
    for round in 0..<(shares.map(\.count).max() ?? 0) {
      let own = shares[ranks.rank]
      let file = try ranks.agree {
        let file = round < own.count ? try VerifiedFile(files[own[round]], in: directory) : nil
        if let file { try requireShapes(file, layout) }
        return file
      }
      for (reader, share) in shares.enumerated() where round < share.count {
        let names = try ranks.broadcast(file?.names ?? [], root: reader)
        found += names
        for (member, parameter) in Self.parameters(in: Set(names), layout, state.schema)
        where !state.isView(member) {
          let isReader = ranks.rank == reader
          try distribute(parameter, member, from: isReader ? file : nil, reader, to: state, memory, ranks)
        }
      }
    }
    try requireAll(found, layout, state.schema)
    try ranks.agree { try requireFinite(state) }
    state.step = manifest.step
  }

  /// Distributes a tensor to the ranks that hold parts of it. Collective.
  private func distribute(
    _ parameter: Parameter, _ member: StateMember, from file: VerifiedFile?, _ reader: Int,
    to state: ShardedState, _ memory: ParameterBuffer, _ ranks: Ranks
  ) throws {
    let isWhole = member == .weights
    let values = isWhole ? state.weights.pointer + parameter.offset : memory.pointer
    try file?.import(parameter, of: member.name, to: values, startingAt: parameter.offset)
    try ranks.broadcast(UnsafeMutableBufferPointer(start: values, count: parameter.count), root: reader)
    if !isWhole {
      state.shard(member)?.load(parameter.offset..<parameter.offset + parameter.count, from: values)
    }
  }

  private func filesToRead() throws -> [CheckpointManifest.File] {
    let files = manifest.files.map(\.name).filter { $0 != Self.modelFile }
    let expected = files.indices.map { Self.optimizerFile($0, of: files.count) }
    guard files == expected, !files.isEmpty else {
      throw CheckpointError(
        directory,
        "has optimizer files \(files), expected \(Self.optimizerFile(0, of: max(files.count, 1))) and so on")
    }
    return manifest.files
  }

  /// Assigns each file to a rank: the largest files first, each to the rank with the least to read.
  static func readers(of sizes: [Int], ranks: Int) -> [Int] {
    var loads = [Int](repeating: 0, count: ranks)
    var readers = [Int](repeating: 0, count: sizes.count)
    for file in sizes.indices.sorted(by: { (sizes[$1], $0) < (sizes[$0], $1) }) {
      guard let rank = loads.indices.min(by: { loads[$0] < loads[$1] }) else { continue }
      readers[file] = rank
      loads[rank] += sizes[file]
    }
    return readers
  }

  /// The parameters whose tensors are all contained in `names`, which include the group: `exp_avg/downs.0.weight`.
  private static func parameters(
    in names: Set<String>, _ layout: ParameterLayout, _ schema: StateSchema
  ) -> [(StateMember, Parameter)] {
    schema.all.flatMap { member in
      layout.parameters.filter { parameter in
        parameter.fileTensors.allSatisfy { names.contains("\(member.name)/\($0.name)") }
      }.map { (member, $0) }
    }
  }

  private func requireAll(_ names: [String], _ layout: ParameterLayout, _ schema: StateSchema) throws {
    if let twice = Dictionary(grouping: names, by: { $0 }).first(where: { $0.value.count > 1 }) {
      throw CheckpointError(directory, "holds \(twice.key) in several files")
    }
    let groups = Set(names.compactMap { $0.split(separator: "/").first.map(String.init) })
    for member in schema.all where member.kind == .average && !groups.contains(member.name) {
      throw CheckpointError.unsuitable(
        place(member), "is not there: the run kept no such average, and one cannot begin in its middle")
    }
    for member in schema.all {
      let expected = Set(
        (member.kind == .moment ? layout.trained : layout.parameters).flatMap(\.fileTensors).map(\.name))
      let prefix = "\(member.name)/"
      let found = Set(names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) })
      try requireSame(found, expected, member)
    }
  }

  private func requireFinite(_ state: ShardedState) throws {
    let layout = state.layout
    try requireFinite(layout.parameters, state.weights.pointer, 0..<layout.flatCount, .weights)
    for member in state.schema.all where !state.isView(member) {
      guard let shard = state.shard(member) else { continue }
      for (index, part) in shard.parts.enumerated() {
        try requireFinite(
          layout.parameters.filter { ($0.offset..<$0.offset + $0.count).overlaps(part) },
          shard.pointer(index),
          part, member)
      }
    }
  }
}

/// The ranks that read a checkpoint together, or a single process.
private struct Ranks {
  let communicator: Communicator?
  var rank: Int { communicator?.rank ?? 0 }
  var size: Int { communicator?.size ?? 1 }

  /// Separates the fields of an error that is sent to the other ranks.
  private static let separator = "\u{1F}"

  init(_ communicator: Communicator?) {
    self.communicator = communicator.flatMap { $0.size > 1 ? $0 : nil }
  }

  /// Runs `body` on every rank; a `CheckpointError` on any rank is thrown on all of them. Collective.
  func agree<Value>(_ body: () throws -> Value) throws -> Value {
    guard let communicator else { return try body() }
    let outcome = Result { try body() }
    var own = ""
    // Any other error ends all ranks.
    try communicator.agree {
      guard case .failure(let error) = outcome else { return }
      guard let error = error as? CheckpointError else { throw error }
      own = [error.isDamage ? "1" : "0", "\(error.code ?? 0)", error.path, error.problem]
        .joined(separator: Self.separator)
    }
    let errors = try communicator.allGather(own)
    if let parts = errors.first(where: { !$0.isEmpty })?.components(separatedBy: Self.separator),
      parts.count == 4
    {
      throw CheckpointError(
        parts[2], parts[3], code: Int32(parts[1]).flatMap { $0 == 0 ? nil : $0 }, isDamage: parts[0] == "1")
    }
    return try outcome.get()
  }

  func broadcast(_ names: [String], root: Int) throws -> [String] {
    guard let communicator else { return names }
    return try communicator.broadcast(names.joined(separator: "\n"), root: root).split(separator: "\n")
      .map(String.init)
  }

  func broadcast(_ buffer: UnsafeMutableBufferPointer<Float>, root: Int) throws {
    try communicator?.broadcast(buffer, root: root)
  }
}
