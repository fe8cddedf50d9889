/// Converts the stored elements of a field to the values of a batch.
struct FieldConversion: Sendable {
  private enum Scaling: Sendable {
    /// A lookup table: divisions in mirrored rows would not be vectorised.
    case bytes([Float])
    /// x / scale + offset.
    case words(scale: Float, offset: Float)
    /// uint8 and uint16, unscaled.
    case integers
    case half
    case single
    /// (x - offset) / scale per channel.
    case normalized(Normalization)
  }

  let field: Field
  private let scaling: Scaling

  /// - Parameter field: a field whose values become floats: neither int32 nor text.
  init(_ field: Field, form: FieldRequest.Form) {
    self.field = field
    let isScaled = form != .stored && (field.role == .image || field.role == .condition)
    scaling =
      switch field.type {
      case .uint8: isScaled ? .bytes(form == .unit ? Self.unitBytes : Self.scaledBytes) : .integers
      case .uint16:
        !isScaled
          ? .integers
          : form == .unit ? .words(scale: 65_535, offset: 0) : .words(scale: 32_767.5, offset: -1)
      case .float16, .float32:
        if form != .stored, let normalization = field.normalization, !normalization.isStored {
          .normalized(normalization)
        } else {
          field.type == .float16 ? .half : .single
        }
      case .int32, .text: preconditionFailure("\(field.name) is \(field.type.rawValue), which stays as it is")
      }
  }

  private static let scaledBytes = (0...255).map { Float($0) / 127.5 - 1 }
  private static let unitBytes = (0...255).map { Float($0) / 255 }

  /// Converts one sample. `isFlipped` mirrors [H, W, C] in W.
  func convert(
    _ stored: UnsafeMutableRawBufferPointer, to values: UnsafeMutableBufferPointer<Float>, isFlipped: Bool
  ) {
    switch scaling {
    case .bytes(let scaled):
      scaled.withUnsafeBufferPointer { scaled in
        let pixels = stored.assumingMemoryBound(to: UInt8.self)
        fill(values, isFlipped) { scaled[Int(pixels[$0])] }
      }
    case .words(let scale, let offset):
      let words = stored.assumingMemoryBound(to: UInt16.self)
      fill(values, isFlipped) { Float(words[$0]) / scale + offset }
    case .integers:
      if field.type == .uint8 {
        let bytes = stored.assumingMemoryBound(to: UInt8.self)
        fill(values, isFlipped) { Float(bytes[$0]) }
      } else {
        let words = stored.assumingMemoryBound(to: UInt16.self)
        fill(values, isFlipped) { Float(words[$0]) }
      }
    case .half:
      let halves = stored.assumingMemoryBound(to: Float16.self)
      fill(values, isFlipped) { Float(halves[$0]) }
    case .single:
      let floats = stored.assumingMemoryBound(to: Float.self)
      fill(values, isFlipped) { floats[$0] }
    case .normalized(let normalization):
      let channels = field.channelCount
      let value: (Int) -> Double
      if field.type == .float16 {
        let halves = stored.assumingMemoryBound(to: Float16.self)
        value = { Double(halves[$0]) }
      } else {
        let floats = stored.assumingMemoryBound(to: Float.self)
        value = { Double(floats[$0]) }
      }
      fill(values, isFlipped) { Float(normalization.normalized(value($0), channel: $0 % channels)) }
    }
  }

  /// Sets each value from its element, or from the mirrored element.
  @inline(__always)
  private func fill(
    _ values: UnsafeMutableBufferPointer<Float>, _ isFlipped: Bool, _ value: (Int) -> Float
  ) {
    guard isFlipped else {
      for index in values.indices { values[index] = value(index) }
      return
    }
    let (width, channels) = (field.shape[1], field.shape[2])
    for row in stride(from: 0, to: values.count, by: width * channels) {
      var source = row + width * channels
      for target in stride(from: row, to: row + width * channels, by: channels) {
        source -= channels
        for channel in 0..<channels { values[target + channel] = value(source + channel) }
      }
    }
  }
}
