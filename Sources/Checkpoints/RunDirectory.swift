import Files
import Foundation

/// The files that a run writes: `config.yaml`, `metrics.jsonl`, `log.txt`, `samples/`, `checkpoints/`.
public struct RunDirectory: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  public static let configurationName = "config.yaml"

  public var configuration: String { "\(path)/\(Self.configurationName)" }
  public var metrics: String { "\(path)/metrics.jsonl" }
  public var log: String { "\(path)/log.txt" }
  package static let checkpointsName = "checkpoints"
  public var checkpoints: String { "\(path)/\(Self.checkpointsName)" }
  package static let samplesName = "samples"
  package var samplesFolder: String { "\(path)/\(Self.samplesName)" }
  public func samples(step: Int) -> String { "\(samplesFolder)/\(CheckpointStore.name(step: step)).png" }

  /// The file with the power spectra of sampled fields and of the data.
  public func spectra(step: Int) -> String {
    "\(samplesFolder)/\(CheckpointStore.name(step: step)).spectra.json"
  }

  /// The directory of TensorBoard event files.
  public var events: String { "\(path)/tensorboard" }

  /// The steps after which samples were written, in ascending order.
  ///
  /// - Throws: `FileError`.
  public func sampledSteps() throws -> [Int] {
    let folder = samplesFolder
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder)
        .compactMap { CheckpointStore.step(ofFile: $0, type: ".png") }.sorted()
    } catch {
      throw FileError("list", folder, cause: error)
    }
  }
}
