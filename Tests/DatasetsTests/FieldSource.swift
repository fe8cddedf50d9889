import Datasets
import Foundation

/// What `Tests/Fixtures/generators/fields.py` writes.
let fields = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Fixtures/fields").path

/// Samples with a field of every type, made from their index.
struct FieldSource: SampleSource {
  var name = "fields"
  var split = "train"
  var count = 20
  var classNames = ["a", "b"]
  var normalization: Normalization? = Normalization(
    kind: .standard, offset: [100, -1], scale: [4, 0.5], isStored: false)

  var fields: [Field] {
    [
      Field(name: "images", type: .uint16, shape: [2, 3, 2], role: .image),
      Field(
        name: "topography", type: .float32, shape: [2, 3, 2], role: .condition, normalization: normalization),
      Field(name: "known", type: .uint8, shape: [2, 3, 1], role: .mask),
      Field(name: "latents", type: .float16, shape: [2, 3, 1], role: .latentMean),
      Field(name: "labels", type: .int32, shape: [], role: .label),
      Field(name: "captions", type: .text, shape: [], role: .caption),
      Field(name: "tags", type: .text, shape: [2], role: FieldRole(rawValue: "tag")),
      Field(name: "steps", type: .int32, shape: [2, 3, 1], role: .mask),
      Field(name: "reynolds", type: .float32, shape: [], role: .scalar),
    ]
  }

  static func word(_ sample: Int, _ place: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: sample * 7919 + place * 811)
  }
  static func height(_ sample: Int, _ place: Int) -> Float { Float(sample) + Float(place) / 8 }
  static func isKnown(_ sample: Int, _ place: Int) -> UInt8 { UInt8((sample + place) % 2) }
  static func latent(_ sample: Int, _ place: Int) -> Float16 { Float16(sample) - Float16(place) / 4 }
  static func label(_ sample: Int) -> Int32 { Int32(sample % 3) - 1 }
  static func caption(_ sample: Int) -> String {
    sample % 5 == 0 ? "" : String(repeating: "朧", count: sample) + " \(sample)"
  }
  static func tags(_ sample: Int) -> [String] { ["t\(sample)", sample % 2 == 0 ? "even" : ""] }
  static func step(_ sample: Int, _ place: Int) -> Int32 { Int32(sample * 1_000_003 - place) }

  func read(_ index: Int, into sample: SampleSlot) throws {
    func fill<Element>(_ field: Int, _ count: Int, _ value: (Int) -> Element) {
      for place in 0..<count {
        sample.bytes(field).storeBytes(
          of: value(place), toByteOffset: place * MemoryLayout<Element>.size, as: Element.self)
      }
    }
    fill(0, 12) { Self.word(index, $0) }
    fill(1, 12) { Self.height(index, $0) }
    fill(2, 6) { Self.isKnown(index, $0) }
    fill(3, 6) { Self.latent(index, $0) }
    fill(4, 1) { _ in Self.label(index) }
    sample.set([Self.caption(index)], field: 5)
    sample.set(Self.tags(index), field: 6)
    fill(7, 6) { Self.step(index, $0) }
    fill(8, 1) { _ in Float(index) * 1.5 }
  }
}

extension ShardedDataset {
  /// A field of a sample, whatever its type, in words.
  func words(_ sample: Int, field: Int) throws -> String {
    guard let size = fields[field].byteCount else { return "\(try text(sample, field: field))" }
    var bytes = [UInt8](repeating: 0, count: size)
    try bytes.withUnsafeMutableBytes { try read(sample, field: field, into: $0) }
    return "\(bytes)"
  }
}
