import Foundation

/// What one line of `metrics.jsonl` says of one step.
public struct StepMetrics: Sendable, Equatable {
  /// Steps done, from 1.
  public var step = 0
  /// Images seen since the run began, over all ranks.
  public var images = 0
  /// Mean over the step's batch.
  public var loss: Float = 0
  /// Of the mean gradient, before clipping.
  public var gradientNorm: Float = 0
  public var learningRate = 0.0
  /// What this step took.
  public var seconds = 0.0
  public var imagesPerSecond = 0.0
  /// The parts of `seconds` in which the rank waited for its data and for other ranks.
  public var dataWaitSeconds = 0.0
  public var communicationWaitSeconds = 0.0

  public init() {}

  /// The names in the file, in their order there. A name and its property meet here only.
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

  private enum Column: Sendable {
    case whole(WritableKeyPath<StepMetrics, Int> & Sendable)
    case single(WritableKeyPath<StepMetrics, Float> & Sendable)
    case double(WritableKeyPath<StepMetrics, Double> & Sendable)
  }
}

// MARK: As a line of JSON

extension StepMetrics {
  /// One JSON object without a line break. Numbers have the shortest digits that read back as the same bits; JSON has
  /// no NaN and no infinity, which become null.
  var json: String {
    func number<Value: BinaryFloatingPoint & CustomStringConvertible>(_ value: Value) -> String {
      value.isFinite ? value.description : "null"
    }
    let pairs = Self.columns.map { name, column in
      switch column {
      case .whole(let path): "\"\(name)\": \(self[keyPath: path])"
      case .single(let path): "\"\(name)\": \(number(self[keyPath: path]))"
      case .double(let path): "\"\(name)\": \(number(self[keyPath: path]))"
      }
    }
    return "{" + pairs.joined(separator: ", ") + "}"
  }

  /// Reads a line; null reads as NaN, and names that are not known are passed over.
  ///
  /// - Throws: `DecodingError` when the line is no JSON object, or a name is missing or has another type.
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
