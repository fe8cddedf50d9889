import Pictures
import Testing

@Suite struct PictureTests {
  @Test func floatsAreScaledRoundedAndClamped() {
    // (x + 1) * 127.5 is exactly representable for these: 127.5 rounds away from zero, to 128.
    let values: [Float] = [-1, 0, 1, -1.5, 7, .infinity, -.infinity, .nan, 0.5, -0.5, -0.996, -0.9961]
    let expected: [UInt8] = [0, 128, 255, 0, 255, 255, 0, 0, 191, 64, 1, 0]
    #expect(Picture(width: 4, height: 3, channels: 1, signed: values).samples == expected)
  }

  @Test func everySampleSurvivesItsFloat() {
    let samples = (0...255).map { UInt8($0) }
    let floats = samples.map { Float($0) / 127.5 - 1 }
    #expect(Picture(width: 16, height: 16, channels: 1, signed: floats).samples == samples)
  }

  @Test func enlargementRepeatsPixels() {
    let picture = Picture(width: 2, height: 1, channels: 3, samples: [1, 2, 3, 4, 5, 6])
    let row: [UInt8] = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]
    #expect(picture.enlarged(by: 2) == Picture(width: 4, height: 2, channels: 3, samples: row + row))
    #expect(picture.enlarged(by: 1) == picture)
  }

  @Test(arguments: [(28, 28, 3), (32, 32, 2), (64, 64, 1), (128, 128, 1), (1, 1, 64), (20, 50, 2)])
  func enlargementMakesImagesVisible(_ width: Int, _ height: Int, _ expected: Int) {
    #expect(ImageGrid.enlargement(of: width, height) == expected)
  }

  @Test func aGridIsLaidOutRowByRow() {
    let pictures = [10, 20, 30].map { Picture(width: 2, height: 1, channels: 1, samples: [$0, $0 + 1]) }
    let grid = ImageGrid(padding: 1, background: 9).compose(pictures)
    #expect(
      grid
        == Picture(
          width: 7, height: 5, channels: 1,
          samples: [
            9, 9, 9, 9, 9, 9, 9,
            9, 10, 11, 9, 20, 21, 9,
            9, 9, 9, 9, 9, 9, 9,
            9, 30, 31, 9, 9, 9, 9,
            9, 9, 9, 9, 9, 9, 9,
          ]))
  }

  @Test func enlargementAndColumnsAreRespected() {
    let pictures = [1, 2].map { Picture(width: 1, height: 1, channels: 3, samples: [$0, 0, $0]) }
    let grid = ImageGrid(columns: 1, padding: 0, enlargement: 2).compose(pictures)
    #expect((grid.width, grid.height) == (2, 4))
    #expect(grid.samples == [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 2, 0, 2, 2, 0, 2, 2, 0, 2, 2, 0, 2])
  }

  @Test(arguments: [(1, 1, 1), (2, 2, 1), (4, 2, 2), (5, 3, 2), (36, 6, 6), (37, 7, 6), (64, 8, 8)])
  func gridsAreNearlySquare(_ count: Int, _ columns: Int, _ rows: Int) {
    let picture = Picture(width: 4, height: 4, channels: 1, samples: [UInt8](repeating: 0, count: 16))
    let grid = ImageGrid(padding: 0).compose([Picture](repeating: picture, count: count))
    #expect((grid.width, grid.height) == (4 * columns, 4 * rows))
  }
}
