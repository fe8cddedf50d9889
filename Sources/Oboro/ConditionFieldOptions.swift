import ArgumentParser
import Datasets
import Files
import Foundation
import Generation
import HDF5
import Models

/// The source of the fields on which a denoiser is conditioned.
struct ConditionFieldOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Of a model that sees fields: a dataset that has them, or an HDF5 file of them by the names that the model's dataset has for them, in the units of its source. Image i is of sample i.",
      valueName: "path"))
  var conditions: String?

  /// The condition fields; nil for a model without any.
  ///
  /// - Parameters:
  ///   - shape: [H, W, C] of the model's output.
  ///   - limit: the maximum number of samples needed.
  /// - Throws: `ModelError`; `DatasetError`, `ConditionFieldError` for fields that are missing or of other shapes.
  func read(_ model: SampledModel, shape: [Int], limit: Int) throws -> SampleFields? {
    guard let known = model.conditions else {
      guard conditions == nil else {
        throw ModelError("the model sees no fields: leave --conditions away")
      }
      return nil
    }
    guard let conditions else {
      let names = known.fields.map(\.name).joined(separator: ", ")
      throw ModelError("the model draws images for fields (\(names)): name a dataset with them, --conditions")
    }
    let planes = try FieldPlanes(known.fields, height: shape[0], width: shape[1], in: conditions)
    let source: any ConditionFieldSource =
      FileManager.default.fileExists(atPath: "\(conditions)/\(DatasetManifest.fileName)")
      ? try ConditionDataset(conditions, limit: limit)
      : try ConditionFile(conditions, known.fields, limit: limit)
    return SampleFields(
      planes, values: try known.fields.map { try source.values(of: $0) }, count: source.count,
      canBeLeftOut: known.canBeLeftOut)
  }
}

/// The values of fields, sample by sample.
private protocol ConditionFieldSource {
  var count: Int { get }

  /// The values of a field, in the units of a model trained on `field`.
  func values(of field: Field) throws -> [Float]
}

/// The fields of a dataset, which may be normalised differently.
private struct ConditionDataset: ConditionFieldSource {
  private let dataset: ShardedDataset

  let count: Int

  init(_ path: String, limit: Int) throws {
    dataset = try ShardedDataset(directory: path)
    count = min(dataset.count, limit)
  }

  func values(of field: Field) throws -> [Float] {
    let own = dataset.fields[try dataset.index(of: field.name)]
    guard own.shape == field.shape else {
      throw ConditionFieldError(
        path: dataset.directory,
        problem: "its \(field.name) are \(own.shape), and the model was trained with \(field.shape)")
    }
    let isSame = own.normalization == field.normalization
    let batch = try dataset.batch(
      Array(0..<count), fields: [FieldRequest(field.name, form: isSame ? .scaled : .stored)])
    guard let values = batch.fields[0].floats else {
      throw ConditionFieldError(path: dataset.directory, problem: "its field \(field.name) is not numeric")
    }
    guard !isSame else { return values }
    let channels = own.channelCount
    return values.enumerated().map { place, value in
      let channel = place % channels
      let stored = own.normalization.map {
        $0.isStored ? $0.restored(Double(value), channel: channel) : Double(value)
      }
      return field.seen(stored ?? Double(value), channel: channel)
    }
  }
}

/// The fields of an HDF5 file, in the units of the source.
private struct ConditionFile: ConditionFieldSource {
  let count: Int
  private let path: String
  private let datasets: [String: Dataset]

  /// - Parameter fields: the fields that it must contain.
  init(_ path: String, _ fields: [Field], limit: Int) throws {
    guard FileManager.default.fileExists(atPath: path) else { throw FileError("open", path, code: ENOENT) }
    let root = try HDF5.File(opening: path).root
    var datasets: [String: Dataset] = [:]
    for field in fields {
      guard try root.exists(field.name) else {
        let there = try root.children().joined(separator: ", ")
        throw ConditionFieldError(path: path, problem: "has no \(field.name), but \(there)")
      }
      let dataset = try root.dataset(field.name)
      let shape = Array(dataset.shape.dropFirst())
      // A last dimension of 1 may be omitted.
      guard !dataset.shape.isEmpty, shape == field.shape || shape + [1] == field.shape else {
        throw ConditionFieldError(
          path: path,
          problem: "\(field.name) is \(dataset.shape), expected samples of \(field.shape)")
      }
      datasets[field.name] = dataset
    }
    let counts = Set(datasets.values.map { $0.shape[0] })
    guard counts.count == 1, let count = counts.first, count > 0 else {
      throw ConditionFieldError(path: path, problem: "its fields have \(counts.sorted()) samples")
    }
    self.path = path
    self.datasets = datasets
    self.count = min(count, limit)
  }

  func values(of field: Field) throws -> [Float] {
    guard let dataset = datasets[field.name] else { preconditionFailure("\(field.name) was not asked for") }
    return try dataset.read(as: Double.self).prefix(count * field.elementCount).enumerated().map {
      place, value in
      let seen = field.seen(value, channel: place % field.channelCount)
      guard seen.isFinite else {
        throw ConditionFieldError(
          path: path, problem: "\(field.name) holds NaN or infinity in sample \(place / field.elementCount)")
      }
      return seen
    }
  }
}

/// Fields on which a model cannot be conditioned.
struct ConditionFieldError: Error, CustomStringConvertible, ExitStatusProviding {
  let path: String
  let problem: String

  var description: String { "\(path): \(problem)" }
  var exitStatus: ExitStatus { .badData }
}

extension Field {
  /// Converts a value from the units of the source to the model's.
  fileprivate func seen(_ value: Double, channel: Int) -> Float {
    if let normalization { return Float(normalization.normalized(value, channel: channel)) }
    return switch type {
    case .uint8 where role == .condition || role == .image: Float(value) / 127.5 - 1
    case .uint16 where role == .condition || role == .image: Float(value) / 32767.5 - 1
    default: Float(value)
    }
  }
}
