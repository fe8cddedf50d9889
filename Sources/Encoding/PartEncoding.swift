import Datasets

/// Encodes the images of one part.
struct PartEncoding {
  let plan: EncodingPlan
  let encoder: LatentEncoder
  let options: EncodingOptions

  /// The latents of a part: per sample, those of all fields in order.
  ///
  /// - Parameter progress: called with the number of samples done.
  /// - Throws: `DatasetError`; `LatentEncodingError` naming an image with non-finite values or latents.
  func records(of part: Int, progress: (Int) -> Void) throws -> [UInt8] {
    let samples = plan.samples(of: part)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(samples.count * plan.recordSize)
    var start = samples.lowerBound
    while start < samples.upperBound {
      let batch = start..<min(start + options.batch, samples.upperBound)
      var latents = [try latents(of: batch, isFlipped: false)]
      if options.withFlips { latents.append(try self.latents(of: batch, isFlipped: true)) }
      let size = plan.fields[0].elementCount
      for (place, sample) in batch.enumerated() {
        for values in latents.flatMap({ [$0.means, $0.deviations] }) {
          try append(values[place * size..<(place + 1) * size], of: sample, to: &bytes)
        }
      }
      start = batch.upperBound
      progress(start - samples.lowerBound)
    }
    return bytes
  }

  private func latents(of samples: Range<Int>, isFlipped: Bool) throws -> (
    means: [Float], deviations: [Float]
  ) {
    let size = plan.image.elementCount
    let images = try [Float](unsafeUninitializedCapacity: samples.count * size) { buffer, count in
      for (place, sample) in samples.enumerated() {
        let image = UnsafeMutableBufferPointer(rebasing: buffer[place * size..<(place + 1) * size])
        try plan.source.read(sample, field: plan.imageIndex, into: image)
        guard image.allSatisfy(\.isFinite) else {
          throw LatentEncodingError(
            path: plan.source.directory,
            problem: "image \(sample) holds NaN or infinity; fill it, or leave it out")
        }
        if isFlipped { mirror(image) }
      }
      count = samples.count * size
    }
    return encoder.encode(images, shape: plan.image.shape)
  }

  /// Mirrors [H, W, C] in W.
  private func mirror(_ values: UnsafeMutableBufferPointer<Float>) {
    let (width, channels) = (plan.image.shape[1], plan.image.shape[2])
    for row in stride(from: 0, to: values.count, by: width * channels) {
      for x in 0..<width / 2 {
        let (left, right) = (row + x * channels, row + (width - 1 - x) * channels)
        for channel in 0..<channels { values.swapAt(left + channel, right + channel) }
      }
    }
  }

  /// Appends values in the storage type.
  private func append(_ values: ArraySlice<Float>, of sample: Int, to bytes: inout [UInt8]) throws {
    guard values.allSatisfy(\.isFinite) else {
      throw LatentEncodingError(
        path: plan.source.directory,
        problem:
          "image \(sample) becomes latents of NaN or infinity, though it and the weights of \(encoder.path) hold none"
      )
    }
    switch options.type {
    case .float32: values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    case .float16:
      let halves = values.map { Float16($0) }
      guard halves.allSatisfy(\.isFinite) else {
        throw LatentEncodingError(
          path: plan.source.directory,
          problem:
            "image \(sample) becomes latents up to \(values.map(abs).max() ?? 0), which float16 does not hold: "
            + "give --type float32")
      }
      halves.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
  }
}
