import Datasets
import Files
import Foundation
import Kernels
import MPI
import Synchronization

/// One side of a comparison: images, or features computed elsewhere.
public enum EvaluatedSet {
  case images(any EvaluatedImages)
  /// The path of an array in NumPy's format.
  case features(String)

  /// Opens the set at `path`: a dataset, a folder of pictures, or a file of features.
  ///
  /// - Throws: `DatasetError`; `EvaluationError` if nothing exists there.
  public init(_ path: String) throws {
    let files = FileManager.default
    var isDirectory: ObjCBool = false
    guard files.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw EvaluationError(
        path, "there is no such dataset, folder of pictures or file of features (.npy)\(path.lookedForNote)")
    }
    if !isDirectory.boolValue {
      self = .features(path)
    } else if files.fileExists(atPath: "\(path)/\(DatasetManifest.fileName)") {
      self = .images(try DatasetImages(path))
    } else {
      self = .images(try FolderImages(path))
    }
  }

  /// Whether the set has images from which to compute features.
  public var hasImages: Bool {
    if case .images = self { true } else { false }
  }

  /// The number of images; nil for features computed elsewhere.
  public var imageCount: Int? {
    if case .images(let images) = self { images.count } else { nil }
  }

  /// The shape that all images share; nil for features computed elsewhere.
  ///
  /// - Throws: `EvaluationError` naming two images that differ.
  public func commonShape(pool: ThreadPool) throws -> ImageShape? {
    if case .images(let images) = self { try images.commonShape(pool: pool) } else { nil }
  }

  /// The text of each image; nil if unknown.
  ///
  /// - Throws: errors of reading.
  public var texts: [String]? {
    get throws { if case .images(let images) = self { try images.texts } else { nil } }
  }

  /// The type of the images' values; nil for features computed elsewhere.
  public var type: FieldType? {
    if case .images(let images) = self { images.type } else { nil }
  }

  /// Requires the image values of both sets to be in the same units, so that they can be compared directly.
  ///
  /// - Throws: `EvaluationError` naming both.
  public static func requireSameUnits(_ a: EvaluatedSet, _ b: EvaluatedSet) throws {
    guard case .images(let a) = a, case .images(let b) = b else { return }
    guard a.type.isFloatingPoint == b.type.isFloatingPoint else {
      throw EvaluationError(
        a.path,
        "its images are \(a.type.rawValue), those of \(b.path) \(b.type.rawValue): the values of one are parts of the "
          + "greatest, those of the other are not")
    }
    func map(_ normalization: Normalization?) -> [[Double]] {
      normalization.map { [$0.offset, $0.scale] } ?? []
    }
    guard map(a.normalization) == map(b.normalization) else {
      throw EvaluationError(
        a.path,
        "its images are normalized by other offsets and scales than those of \(b.path), so their values cannot be "
          + "compared; make both datasets without --normalize")
    }
  }

  /// The number of images whose features this rank computes; 0 for a set without images.
  public func share(of communicator: Communicator) -> Int {
    guard case .images(let images) = self else { return 0 }
    return Self.part(of: images.count, communicator.rank, communicator.size).count
  }

  /// The range of `count` images whose features rank `rank` of `size` computes.
  package static func part(of count: Int, _ rank: Int, _ size: Int) -> Range<Int> {
    count * rank / size..<count * (rank + 1) / size
  }

  /// The features of the set on rank 0, nil elsewhere; each rank computes those of its part of the images. Collective.
  ///
  /// - Parameter progress: called on any thread with the number of this rank's images that are done.
  /// - Throws: `CollectiveFailure` for an unreadable image or unusable features; `MPIError`.
  public func features(
    _ extractor: FeatureExtractor, on communicator: Communicator, pool: ThreadPool,
    progress: (Int) -> Void = { _ in }
  ) throws -> FeatureSet? {
    let isFirst = communicator.rank == 0
    switch self {
    case .features(let path):
      return try communicator.agree { isFirst ? try FeatureSet(file: path) : nil }
    case .images(let images):
      let own = Self.part(of: images.count, communicator.rank, communicator.size)
      let (plan, part) = try communicator.agree {
        let plan = try FeatureExtractor.Plan(extractor, images, pool: pool)
        return (plan, try Self.compute(plan, own, pool, progress))
      }
      defer { part.deallocate() }
      let counts = (0..<communicator.size).map {
        Self.part(of: images.count, $0, communicator.size).count * plan.width
      }
      let all = isFirst ? FloatMemory.allocate(images.count * plan.width) : nil
      defer { all?.deallocate() }
      try communicator.gather(
        UnsafeBufferPointer(rebasing: part[..<counts[communicator.rank]]), counts: counts,
        into: all.map { .init(rebasing: $0[..<(images.count * plan.width)]) })
      return try communicator.agree {
        try all.map {
          try FeatureSet(
            name: images.path, count: images.count, width: plan.width,
            values: $0[..<(images.count * plan.width)])
        }
      }
    }
  }

  /// The features of the images `own`, consecutively; the caller frees them.
  private static func compute(
    _ plan: FeatureExtractor.Plan, _ own: Range<Int>, _ pool: ThreadPool, _ progress: (Int) -> Void
  ) throws -> UnsafeMutableBufferPointer<Float> {
    let memory = FloatMemory.allocate(own.count * plan.width)
    let passes = (0..<pool.threadCount).map { _ in FeaturePass() }
    let done = Atomic(0)
    do {
      _ = try pool.results(own.count) { index, worker in
        try plan.compute(
          own.lowerBound + index, passes[worker], into: memory.baseAddress! + index * plan.width)
        progress(done.add(1, ordering: .relaxed).newValue)
      }
    } catch {
      memory.deallocate()
      throw error
    }
    return memory
  }
}
