/// The fields of a sample as channels on the grid of its image: [H, W, C].
///
/// Fields on the same grid are copied; on a grid that is coarser by an integer factor, each value is repeated; a scalar
/// becomes a constant channel.
public struct FieldPlanes: Sendable {
  /// The fields, in channel order.
  public let fields: [Field]
  public let height: Int
  public let width: Int

  /// - Parameters:
  ///   - height: height of the image's grid.
  ///   - directory: the dataset's directory, for error messages.
  /// - Throws: `DatasetError` for fields that do not fit the grid.
  public init(_ fields: [Field], height: Int, width: Int, in directory: String) throws {
    for field in fields {
      guard field.type != .text && field.type != .int32 else {
        throw DatasetError.badData(
          directory,
          "the field \(field.name) is \(field.type.rawValue), expected numbers that an image depends on")
      }
      guard field.shape.count <= 1 || field.shape.count == 3 else {
        throw DatasetError.badData(
          directory,
          "the field \(field.name) is \(field.shape), expected [H, W, C], a number or a vector for each sample"
        )
      }
      guard field.shape.count == 3 else { continue }
      let (rows, columns) = (height / field.shape[0], width / field.shape[1])
      guard rows == columns, rows * field.shape[0] == height, columns * field.shape[1] == width else {
        throw DatasetError.badData(
          directory,
          "the field \(field.name) has \(field.shape[0]) x \(field.shape[1]) values, and images have \(height) x "
            + "\(width): its grid must be theirs, or coarser by a whole number")
      }
    }
    self.fields = fields
    self.height = height
    self.width = width
  }

  /// C.
  public var channels: Int { fields.reduce(0) { $0 + $1.channelCount } }

  /// [H, W, C].
  public var shape: [Int] { [height, width, channels] }

  /// Fills [H, W, C] for one sample.
  ///
  /// - Parameters:
  ///   - values: for each field, its values for several samples, as a network sees them.
  ///   - sample: index of the sample among them.
  public func fill(_ planes: UnsafeMutableBufferPointer<Float>, with values: [[Float]], of sample: Int) {
    let channels = channels
    precondition(
      planes.count == height * width * channels && values.count == fields.count
        && zip(values, fields).allSatisfy { $0.count >= (sample + 1) * $1.elementCount },
      "\(values.map(\.count)) values of \(fields.map(\.shape)) for \(height) x \(width) x \(channels)")
    var first = 0
    for (field, values) in zip(fields, values) {
      let count = field.channelCount
      let start = sample * field.elementCount
      let step = field.shape.count == 3 ? height / field.shape[0] : 0
      for y in 0..<height {
        for x in 0..<width {
          let source = start + (step == 0 ? 0 : (y / step * field.shape[1] + x / step) * count)
          let target = (y * width + x) * channels + first
          for channel in 0..<count { planes[target + channel] = values[source + channel] }
        }
      }
      first += count
    }
  }
}
