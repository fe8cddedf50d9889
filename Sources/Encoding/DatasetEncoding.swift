import Datasets
import Files
import Foundation
import MPI

/// Encodes a dataset of images into a dataset of latents, on all ranks of a communicator.
///
/// The work is split into parts that are distributed round-robin over ranks; each is stored as soon as it is complete,
/// under a key derived from everything that it depends on. Parts left by an interrupted call or by an earlier dataset
/// in the directory are not recomputed. The files' bytes do not depend on the number of ranks or threads or on the
/// batch size.
public struct DatasetEncoding {
  private let plan: EncodingPlan
  private let encoder: LatentEncoder
  private let options: EncodingOptions
  private let output: String
  private let store: PartStore
  /// The dataset already in the directory.
  private let earlier: ShardedDataset?

  /// The result of an encoding.
  public struct Outcome: Sendable {
    public let manifest: DatasetManifest
    /// Number of samples encoded by this call; the others were already present.
    public let encoded: Int
  }

  /// - Throws: `DatasetError`, `ModelError` or `LatentEncodingError` if the autoencoder cannot encode the dataset.
  public init(
    _ source: ShardedDataset, by encoder: LatentEncoder, _ options: EncodingOptions, to output: String
  ) throws {
    plan = try EncodingPlan(source, encoder, options)
    self.encoder = encoder
    self.options = options
    self.output = output
    store = PartStore(in: output, recordSize: plan.recordSize)
    let manifest = "\(output)/\(DatasetManifest.fileName)"
    guard FileManager.default.fileExists(atPath: manifest) else {
      earlier = nil
      return
    }
    let found = try ShardedDataset(directory: output)
    guard found.manifest.encoding != nil else {
      throw LatentEncodingError(
        path: output, problem: "holds a dataset that encode did not make: name another --output")
    }
    earlier = found
  }

  /// Encodes the missing parts and writes the dataset. Collective.
  ///
  /// - Parameters:
  ///   - tell: receives messages for the user, on rank 0.
  ///   - progress: called with the number of this rank's samples encoded so far, and their total.
  /// - Throws: `CollectiveFailure`, `MPIError`.
  public func run(
    on communicator: Communicator, tell: (String) -> Void, progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> Outcome {
    if let manifest = earlier?.manifest, isUpToDate(manifest) {
      return Outcome(manifest: manifest, encoded: 0)
    }
    let lock: FolderLock? = try communicator.agree {
      guard communicator.rank == 0 else { return nil }
      try store.make()
      guard let lock = try FolderLock(store.folder) else {
        throw LatentEncodingError(path: output, problem: "another process is encoding there")
      }
      return lock
    }
    defer { withExtendedLifetime(lock) {} }
    let keys = try self.keys(on: communicator)
    let places = try communicator.broadcast(communicator.rank == 0 ? self.places(keys).map(\.number) : [])
      .map(EncodedParts.Place.init)
    let missing = places.indices.filter { places[$0] == .missing }
    if communicator.rank == 0, missing.count < places.count {
      tell("\(places.count - missing.count) of \(places.count) parts are encoded already")
    }
    try encode(missing, keys, on: communicator, progress)
    let parts = EncodedParts(plan, keys: keys, places: places, store: store, earlier: earlier)
    let scalingFactor = try scalingFactor(of: parts, on: communicator)
    try communicator.agree {
      guard communicator.rank == 0 else { return }
      let encoding = DatasetManifest.Encoding(
        sourceDigest: plan.source.digest, autoencoder: encoder.path, autoencoderDigest: encoder.digest,
        image: plan.image, scalingFactor: scalingFactor, partSize: plan.partSize, parts: keys)
      try DatasetWriter(directory: output).write(EncodedSource(parts, encoding: encoding))
      store.remove()
    }
    let manifest = try communicator.agree { try DatasetManifest(directory: output) }
    return Outcome(manifest: manifest, encoded: missing.reduce(0) { $0 + plan.samples(of: $1).count })
  }

  private func isUpToDate(_ manifest: DatasetManifest) -> Bool {
    manifest.encoding?.sourceDigest == plan.source.digest
      && manifest.encoding?.autoencoderDigest == encoder.digest
      && manifest.encoding?.image == plan.image && manifest.encoding?.partSize == plan.partSize
      && manifest.fields == EncodedSource.fields(plan)
      && manifest.classNames == plan.source.classNames && manifest.name == plan.source.manifest.name
      && manifest.split == plan.source.manifest.split
  }

  /// The keys of all parts; each rank reads the images of its own parts. Collective.
  private func keys(on communicator: Communicator) throws -> [String] {
    let own = try communicator.agree {
      try stride(from: communicator.rank, to: plan.partCount, by: communicator.size).map(plan.key)
    }
    let all = try communicator.allGather(own.joined(separator: " ")).map { $0.split(separator: " ") }
    return (0..<plan.partCount).map { String(all[$0 % communicator.size][$0 / communicator.size]) }
  }

  private func places(_ keys: [String]) -> [EncodedParts.Place] {
    var earlierParts: [String: Int] = [:]
    if let earlier, let encoding = earlier.manifest.encoding, encoding.partSize == plan.partSize,
      plan.fields.allSatisfy({ field in
        earlier.fields.contains { $0.name == field.name && $0.type == field.type && $0.shape == field.shape }
      })
    {
      earlierParts = Dictionary(zip(encoding.parts, encoding.parts.indices)) { first, _ in first }
    }
    return keys.enumerated().map { part, key in
      if store.holds(key, count: plan.samples(of: part).count) { return .stored }
      return earlierParts[key].map { .earlier($0) } ?? .missing
    }
  }

  /// Encodes parts, one per rank in each round. Collective.
  private func encode(
    _ missing: [Int], _ keys: [String], on communicator: Communicator, _ progress: (Int, Int) -> Void
  ) throws {
    let own = stride(from: communicator.rank, to: missing.count, by: communicator.size).map { missing[$0] }
    let total = own.reduce(0) { $0 + plan.samples(of: $1).count }
    let encoding = PartEncoding(plan: plan, encoder: encoder, options: options)
    var done = 0
    for round in 0..<(missing.count + communicator.size - 1) / communicator.size {
      // After each round, all ranks learn whether one failed.
      try communicator.agree {
        guard own.indices.contains(round) else { return }
        let records = try encoding.records(of: own[round]) { progress(done + $0, total) }
        try store.write(records, key: keys[own[round]])
        done += plan.samples(of: own[round]).count
      }
    }
  }

  /// The factor that scales all latents to unit variance. Collective.
  private func scalingFactor(of parts: EncodedParts, on communicator: Communicator) throws -> Double {
    let own = try communicator.agree {
      try stride(from: communicator.rank, to: plan.partCount, by: communicator.size).flatMap {
        LatentStatistics(try parts.records(of: $0), fields: plan.fields).numbers
      }
    }
    let all = try communicator.allGather(own)
    let numbers = (0..<plan.partCount).flatMap { part in
      let start = part / communicator.size * LatentStatistics.size
      return all[part % communicator.size][start..<start + LatentStatistics.size]
    }
    let deviation = LatentStatistics(sumOf: numbers).deviation
    return try communicator.agree {
      guard deviation > 0, deviation.isFinite else {
        throw LatentEncodingError(
          path: encoder.path,
          problem: "makes latents of the standard deviation \(deviation), which nothing can be made of"
        )
      }
      return 1 / deviation
    }
  }
}

extension EncodedParts.Place {
  /// Encoding for messages between ranks.
  fileprivate var number: Int {
    switch self {
    case .missing: -2
    case .stored: -1
    case .earlier(let part): part
    }
  }

  fileprivate init(_ number: Int) {
    self = number == -2 ? .missing : number == -1 ? .stored : .earlier(number)
  }
}
