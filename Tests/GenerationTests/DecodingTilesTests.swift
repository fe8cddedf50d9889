import Generation
import Testing

@Suite struct DecodingTilesTests {
  @Test func smallLatentsAreNotCut() {
    #expect(DecodingTiles(shape: [128, 128, 4]) == nil)
    #expect(DecodingTiles(shape: [64, 129, 4]) != nil)
  }

  @Test func tilesCoverEverySideAndOverlap() {
    for length in 1...700 {
      let starts = DecodingTiles.starts(length)
      #expect(starts[0] == 0 && starts[starts.count - 1] == max(length - DecodingTiles.side, 0))
      for (first, second) in zip(starts, starts.dropFirst()) {
        #expect(first < second && first + DecodingTiles.side - second >= DecodingTiles.overlap, "\(length)")
      }
    }
  }

  /// Where every tile is decoded to what it is, so is the image.
  @Test func tilesAreJoinedWithoutSeams() throws {
    let shape = [40, 230, 3]
    let latents = (0..<shape.reduce(1, *)).map { Float($0 % 977) - 400 }
    let tiles = try #require(DecodingTiles(shape: shape))
    let image = tiles.image(of: latents, scale: 2, channels: 3) { tile, shape in
      (0..<2 * shape[0]).flatMap { y in
        (0..<2 * shape[1]).flatMap { x in
          (0..<3).map { tile[(y / 2 * shape[1] + x / 2) * 3 + $0] }
        }
      }
    }
    #expect(image.count == 4 * latents.count)
    for y in 0..<80 {
      for x in 0..<460 {
        for channel in 0..<3 {
          let (found, expected) = (
            image[(y * 460 + x) * 3 + channel], latents[(y / 2 * 230 + x / 2) * 3 + channel]
          )
          #expect(abs(found - expected) <= 1e-3, "\(y), \(x)")
        }
      }
    }
  }
}
