/// Decodes latents tile by tile when a decoder's activations at the full image size would not fit into memory. Tiles
/// overlap, and are blended linearly in the overlap.
///
/// A tile is decoded without its surroundings, so the image differs slightly from one decoded at once. Whether and
/// where latents are split depends only on their shape.
package struct DecodingTiles {
  /// [h, w, c].
  package let shape: [Int]

  /// The side of a tile and the overlap of two, in latent pixels: 768 and 128 pixels of Stable Diffusion's images.
  package static let (side, overlap) = (96, 16)
  /// Latents with a longer side are split: images of more than 1024 pixels.
  private static let longestSide = 128

  /// Returns nil for latents that are decoded at once.
  package init?(shape: [Int]) {
    guard max(shape[0], shape[1]) > Self.longestSide else { return nil }
    self.shape = shape
  }

  /// The start of each tile along a side: evenly spaced, with the last tile at the end.
  package static func starts(_ length: Int) -> [Int] {
    guard length > side else { return [0] }
    let count = (length - overlap + side - overlap - 1) / (side - overlap)
    return (0..<count).map { $0 * (length - side) / (count - 1) }
  }

  /// - Parameters:
  ///   - latents: [h, w, c].
  ///   - scale: image pixels per latent pixel, along each side.
  ///   - channels: of the image.
  ///   - decode: decodes a tile of the given shape [h, w, c] to an image [H, W, C].
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

  /// Increases linearly from the tile's edge over the overlap.
  private func weight(_ place: Int, _ length: Int, _ scale: Int) -> Float {
    let distance = min(place, length - 1 - place) + 1
    return min(Float(distance) / Float(Self.overlap * scale), 1)
  }
}
