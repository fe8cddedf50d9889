/// Latents that are decoded tile by tile, since a decoder's activations at the size of the image would not fit into
/// memory: tiles overlap, and where they do the image goes over from one to the next linearly.
///
/// A tile does not see what is beyond it, so the image is not quite that of all latents at once. Which latents are cut,
/// and where, follows from their shape alone.
package struct DecodingTiles {
  /// [h, w, c].
  package let shape: [Int]

  /// Pixels of a tile's side, and of the overlap of two, in the latents: 768 and 128 of Stable Diffusion's images.
  package static let (side, overlap) = (96, 16)
  /// Latents with a longer side are cut: images of more than 1024 pixels.
  private static let longestSide = 128

  /// nil for latents that are decoded at once.
  package init?(shape: [Int]) {
    guard max(shape[0], shape[1]) > Self.longestSide else { return nil }
    self.shape = shape
  }

  /// Where tiles begin along a side: evenly, the last at its end.
  package static func starts(_ length: Int) -> [Int] {
    guard length > side else { return [0] }
    let count = (length - overlap + side - overlap - 1) / (side - overlap)
    return (0..<count).map { $0 * (length - side) / (count - 1) }
  }

  /// - Parameters:
  ///   - latents: [h, w, c].
  ///   - scale: pixels of an image's side for each of the latents'.
  ///   - channels: of the image.
  ///   - decode: gives the image [H, W, C] of a tile of some shape [h, w, c].
  /// - Returns: [H, W, C].
  package func image(
    of latents: [Float], scale: Int, channels: Int, decode: (_ tile: [Float], _ shape: [Int]) -> [Float]
  ) -> [Float] {
    let (height, width) = (shape[0] * scale, shape[1] * scale)
    var sums = [Float](repeating: 0, count: height * width * channels)
    var weights = [Float](repeating: 0, count: height * width)
    let (rows, columns) = (min(Self.side, shape[0]), min(Self.side, shape[1]))
    for top in Self.starts(shape[0]) {
      for left in Self.starts(shape[1]) {
        let tile = decode(part(of: latents, top, left, rows, columns), [rows, columns, shape[2]])
        for y in 0..<rows * scale {
          for x in 0..<columns * scale {
            let weight = weight(y, rows * scale, scale) * weight(x, columns * scale, scale)
            let target = (top * scale + y) * width + left * scale + x
            weights[target] += weight
            for channel in 0..<channels {
              sums[target * channels + channel] +=
                weight * tile[(y * columns * scale + x) * channels + channel]
            }
          }
        }
      }
    }
    for index in sums.indices { sums[index] /= weights[index / channels] }
    return sums
  }

  private func part(of latents: [Float], _ top: Int, _ left: Int, _ rows: Int, _ columns: Int) -> [Float] {
    let channels = shape[2]
    return (top..<top + rows).flatMap { row in
      let start = (row * shape[1] + left) * channels
      return latents[start..<start + columns * channels]
    }
  }

  /// Grows from the tile's edge over the overlap.
  private func weight(_ place: Int, _ length: Int, _ scale: Int) -> Float {
    let distance = min(place, length - 1 - place) + 1
    return min(Float(distance) / Float(Self.overlap * scale), 1)
  }
}
