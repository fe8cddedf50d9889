import Datasets
import Foundation

/// The captions of a dataset's samples.
public struct DatasetCaptions {
  public let path: String
  private let dataset: ShardedDataset
  private let field: Int

  /// - Returns: nil if `path` is not a dataset, or has no captions.
  /// - Throws: `DatasetError`.
  public init?(ifAnyIn path: String) throws {
    guard FileManager.default.fileExists(atPath: "\(path)/\(DatasetManifest.fileName)") else { return nil }
    let dataset = try ShardedDataset(directory: path)
    guard let field = dataset.manifest.field(.caption) else { return nil }
    self.path = path
    self.dataset = dataset
    self.field = try dataset.index(of: field.name)
  }

  /// - Throws: `EvaluationError` if there are no captions; `DatasetError`.
  public init(_ path: String) throws {
    guard let captions = try DatasetCaptions(ifAnyIn: path) else {
      throw EvaluationError(path, "is no dataset with captions")
    }
    self = captions
  }

  public var count: Int { dataset.count }

  /// The first caption of sample `index`.
  public func text(_ index: Int) throws -> String {
    let texts = try dataset.text(index, field: field)
    return texts.first { !$0.isEmpty } ?? ""
  }

  /// The texts of `count` samples, spread evenly over the dataset, or cycling through it if it has fewer.
  public func texts(_ count: Int) throws -> [String] {
    try (0..<count).map { try text(count <= self.count ? $0 * self.count / count : $0 % self.count) }
  }
}
