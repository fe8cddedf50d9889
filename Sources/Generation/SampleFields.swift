import Datasets
import Tensors

/// The condition fields of images: image i uses those of sample i modulo their number.
public struct SampleFields: Sendable {
  private let planes: FieldPlanes
  /// For each field, the values of all samples, in the network's units.
  private let values: [[Float]]
  /// The number of samples.
  public let count: Int
  /// Whether the model was also trained without the fields.
  let canBeLeftOut: Bool

  /// - Parameters:
  ///   - values: for each field, the values of `count` samples, in the network's units.
  ///   - canBeLeftOut: whether training sometimes dropped the fields.
  public init(_ planes: FieldPlanes, values: [[Float]], count: Int, canBeLeftOut: Bool) {
    precondition(
      count > 0 && zip(values, planes.fields).allSatisfy { $0.count == count * $1.elementCount },
      "\(values.map(\.count)) values of \(count) samples of \(planes.fields.map(\.shape))")
    self.planes = planes
    self.values = values
    self.count = count
    self.canBeLeftOut = canBeLeftOut
  }

  /// [H, W, C] of the model's condition image.
  var shape: [Int] { planes.shape }

  /// The condition image of the images numbered `samples`, [n, H, W, C].
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
