import Datasets
import Tensors

/// The fields that images are drawn for: image i is of sample i modulo their number.
public struct SampleFields: Sendable {
  private let planes: FieldPlanes
  /// Of each field, those of all samples, as a network sees them.
  private let values: [[Float]]
  /// How many samples there are.
  public let count: Int
  /// Whether the model was also trained without them.
  let canBeLeftOut: Bool

  /// - Parameters:
  ///   - values: of each field, those of `count` samples, as a network sees them.
  ///   - canBeLeftOut: whether training has left them out at times.
  public init(_ planes: FieldPlanes, values: [[Float]], count: Int, canBeLeftOut: Bool) {
    precondition(
      count > 0 && zip(values, planes.fields).allSatisfy { $0.count == count * $1.elementCount },
      "\(values.map(\.count)) values of \(count) samples of \(planes.fields.map(\.shape))")
    self.planes = planes
    self.values = values
    self.count = count
    self.canBeLeftOut = canBeLeftOut
  }

  /// [H, W, C] of what a model sees.
  var shape: [Int] { planes.shape }

  /// What it sees for images number `samples`, [n, H, W, C].
  func image(of samples: Range<Int>, on tape: Tape) -> Tensor {
    let image = tape.input([samples.count] + planes.shape)
    let size = image.count / samples.count
    for (place, sample) in samples.enumerated() {
      planes.fill(
        UnsafeMutableBufferPointer(rebasing: image.elements[place * size..<(place + 1) * size]), with: values,
        of: sample % count)
    }
    return image
  }
}
