import Foundation

/// The metrics of one step: a line of `metrics.jsonl`.
public struct StepMetrics: Sendable, Equatable {
  /// The number of completed steps, starting at 1.
  public var step = 0
  /// The number of images seen since the start of the run, over all ranks.
  public var images = 0
  /// The mean over the step's batch.
  public var loss: Float = 0
  /// Named components of the loss, stored as `loss_NAME` in the file.
  public var parts: [Part] = []
  /// The loss on held-out samples after the step, if it was evaluated.
  public var validationLoss: Float?
  /// The norm of the mean gradient before clipping.
  public var gradientNorm: Float = 0
  public var learningRate = 0.0
  /// The duration of this step.
  public var seconds = 0.0
  public var imagesPerSecond = 0.0
  /// The portions of `seconds` during which the rank waited for its data and for other ranks.
  public var dataWaitSeconds = 0.0
  public var communicationWaitSeconds = 0.0

  public init() {}

  /// A component of the loss, such as an autoencoder's KL divergence.
  public struct Part: Sendable, Equatable {
    public let name: String
    /// The mean over the step's batch.
    public let value: Float

    public init(name: String, value: Float) {
      self.name = name
      self.value = value
    }

    /// The prefix of a part's name in the file.
    static let prefix = "loss_"
  }

  /// The names in the file, in order. The only place that maps names to properties.
  private static let columns: [(name: String, column: Column)] = [
    ("step", .whole(\.step)),
    ("images", .whole(\.images)),
    ("loss", .single(\.loss)),
    ("gradient_norm", .single(\.gradientNorm)),
    ("learning_rate", .double(\.learningRate)),
    ("seconds", .double(\.seconds)),
    ("images_per_second", .double(\.imagesPerSecond)),
    ("data_wait_seconds", .double(\.dataWaitSeconds)),
    ("communication_wait_seconds", .double(\.communicationWaitSeconds)),
  ]

  private static let validationLossName = "validation_loss"

  private enum Column: Sendable {
    case whole(WritableKeyPath<StepMetrics, Int> & Sendable)
    case single(WritableKeyPath<StepMetrics, Float> & Sendable)
    case double(WritableKeyPath<StepMetrics, Double> & Sendable)
  }
}

// MARK: JSON

extension StepMetrics {
  /// One JSON object without a line break. Numbers have the shortest digits that read back as the same bits; JSON has
  /// no NaN or infinity, which become null.
  var json: String {
    func number<Value: BinaryFloatingPoint & CustomStringConvertible>(_ value: Value) -> String {
      value.isFinite ? value.description : "null"
    }
    let named = parts.map { "\"\(Part.prefix)\($0.name)\": \(number($0.value))" }
    let validation = validationLoss.map { ["\"\(Self.validationLossName)\": \(number($0))"] } ?? []
    let pairs = Self.columns.flatMap { name, column in
      switch column {
      case .whole(let path): ["\"\(name)\": \(self[keyPath: path])"]
      // All losses are kept together, before the timings.
      case .single(\.loss): ["\"\(name)\": \(number(loss))"] + named + validation
      case .single(let path): ["\"\(name)\": \(number(self[keyPath: path]))"]
      case .double(let path): ["\"\(name)\": \(number(self[keyPath: path]))"]
      }
    }
    return "{" + pairs.joined(separator: ", ") + "}"
  }

  /// Parses a line; null is read as NaN, and unknown names are ignored.
  ///
  /// - Throws: `DecodingError` if the line is not a JSON object, or a name is missing or has the wrong type.
  init(json: some Sequence<UInt8>) throws {
    self = try JSONDecoder().decode(Line.self, from: Data(json)).metrics
  }

  private struct Line: Decodable {
    let metrics: StepMetrics

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Name.self)
      var metrics = StepMetrics()
      for (name, column) in columns {
        let key = Name(stringValue: name)
        switch column {
        case .whole(let path): metrics[keyPath: path] = try container.decode(Int.self, forKey: key)
        case .single(let path):
          metrics[keyPath: path] = try container.decode(Float?.self, forKey: key) ?? .nan
        case .double(let path):
          metrics[keyPath: path] = try container.decode(Double?.self, forKey: key) ?? .nan
        }
      }
      let validation = Name(stringValue: validationLossName)
      if container.contains(validation) {
        metrics.validationLoss = try container.decode(Float?.self, forKey: validation) ?? .nan
      }
      // Sorted by name, since JSON objects are unordered.
      metrics.parts = try container.allKeys.filter { $0.stringValue.hasPrefix(Part.prefix) }
        .map { key in
          Part(
            name: String(key.stringValue.dropFirst(Part.prefix.count)),
            value: try container.decode(Float?.self, forKey: key) ?? .nan)
        }.sorted { $0.name < $1.name }
      self.metrics = metrics
    }
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}
