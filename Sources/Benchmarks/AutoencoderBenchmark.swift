import Configuration
import Foundation
import Generation
import Models
import Randomness
import Reporting
import Settings
import Tensors

/// Times an autoencoder on single images, as `oboro encode` and sampling run it, on random weights. Reads and writes no
/// files.
public struct AutoencoderBenchmark {
  /// A pass through one of the two halves.
  public enum Pass: String, CaseIterable, Sendable {
    /// From an image to the mean of its latents.
    case encode
    /// From latents to an image.
    case decode
  }

  private let decoder: LatentDecoder
  /// [H, W, C] of an image.
  private let imageShape: [Int]
  private let threads: Int
  private let seed: UInt64

  /// - Parameter imageShape: [H, W, C].
  /// - Throws: `ModelError` if another network is trained, or images of this size are not accepted.
  public init(_ configuration: TrainingConfiguration, imageShape: [Int], threads: Int) throws {
    guard case .autoencoder(let model) = configuration.model else {
      throw ModelError("the model is no autoencoder: name a configuration with training.task: autoencoder")
    }
    try model.check(height: imageShape[0], width: imageShape[1], channels: imageShape[2])
    seed = configuration.training.seed
    decoder = LatentDecoder(
      model, weights: model.parameters.initialWeights(seed: seed), engine: Engine(threadCount: threads))
    self.imageShape = imageShape
    self.threads = threads
  }

  /// Takes each of `passes` `count` times, after one that does not count.
  ///
  /// - Throws: `ModelError`.
  public func run(_ passes: [Pass], count: Int) throws -> AutoencoderMeasurement {
    let latentShape = decoder.latentShape(of: imageShape)
    let seconds = try passes.map { pass in
      let shape = pass == .encode ? imageShape : latentShape
      let input = noise(shape.reduce(1, *))
      let times = try (0...count).map { _ in
        let watch = Stopwatch()
        switch pass {
        case .encode: _ = try decoder.latents(of: input, shape: shape)
        case .decode: _ = decoder.images(of: input, shape: shape)
        }
        return watch.seconds
      }
      return (pass, Array(times.dropFirst()).median)
    }
    return AutoencoderMeasurement(
      seconds: seconds, imageShape: imageShape, latentShape: latentShape, threads: threads,
      peakResidentBytes: ProcessMemory.peakResidentBytes)
  }

  private func noise(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { values, filled in
      RandomStream(seed: seed, purpose: .noise, step: 0, sample: 0)
        .fillNormal(UnsafeMutableBufferPointer(rebasing: values[..<count]))
      filled = count
    }
  }
}

/// What an ``AutoencoderBenchmark`` measured.
public struct AutoencoderMeasurement {
  /// The median of each pass.
  public let seconds: [(pass: AutoencoderBenchmark.Pass, median: Double)]
  /// [H, W, C].
  public let imageShape: [Int]
  /// [h, w, c].
  public let latentShape: [Int]
  public let threads: Int
  public let peakResidentBytes: Int

  /// Machine-readable form, for scripts.
  public var json: String {
    let base: SettingsNode = [
      "image_shape": SettingsNode(imageShape), "latent_shape": SettingsNode(latentShape),
      "threads": SettingsNode(threads), "peak_resident_bytes": SettingsNode(peakResidentBytes),
    ]
    return seconds.reduce(base) {
      $0.setting("\($1.pass.rawValue)_seconds", to: SettingsNode($1.median))
    }.indentedJSON
  }

  /// Human-readable table.
  public var text: String {
    func sides(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: "x") }
    let rows =
      [("images, latents", "\(sides(imageShape)), \(sides(latentShape))")]
      + seconds.map { ("seconds to \($0.pass.rawValue)", String(format: "%.4f, the median", $0.median)) }
      + [("peak memory", String(format: "%.0f MB", Double(peakResidentBytes) * 1e-6))]
    return rows.map { name, value in
      name.padding(toLength: 24, withPad: " ", startingAt: 0) + value + "\n"
    }.joined()
  }
}
