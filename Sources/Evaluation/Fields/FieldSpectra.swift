import Files
import Foundation

/// The power spectra of sampled fields next to those of the data, as recorded by a run for each grid of samples.
public struct FieldSpectra: Codable, Sendable, Equatable {
  public struct Channel: Codable, Sendable, Equatable {
    public let name: String
    /// For wavenumbers 1, 2, ... (see `PowerSpectrum`), in the squared units of the source.
    public let samples: [Double]
    public let data: [Double]

    public init(name: String, samples: [Double], data: [Double]) {
      self.name = name
      self.samples = samples
      self.data = data
    }
  }

  public let channels: [Channel]

  public init(_ channels: [Channel]) { self.channels = channels }

  /// - Throws: `FileError`.
  public init(path: String) throws {
    let bytes = try WholeFile.read(path)
    do {
      self = try JSONDecoder().decode(FieldSpectra.self, from: Data(bytes))
    } catch {
      throw FileError("read", path, cause: error)
    }
  }

  /// - Throws: `FileError`.
  public func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    do {
      try WholeFile.write(encoder.encode(self), to: path)
    } catch let error as EncodingError {
      // Non-finite values.
      throw FileError("write", path, cause: error)
    }
  }
}
