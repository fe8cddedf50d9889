import Datasets
import Testing

@Suite("The dataset shapes")
struct ShapesTests {
  @Test func imagesDependOnSeedSplitAndIndexAlone() throws {
    let few = ShapesSource(count: 10, seed: 3)
    let many = ShapesSource(count: 1000, seed: 3)
    for index in [9, 0, 5] { #expect(try few.image(index) == many.image(index)) }
    #expect(try few.image(0).pixels != few.image(1).pixels)
    #expect(try few.image(0).pixels != ShapesSource(count: 10, seed: 4).image(0).pixels)
    #expect(try few.image(0).pixels != ShapesSource(count: 10, seed: 3, split: .test).image(0).pixels)
  }

  @Test func everyClassOccurs() throws {
    let source = ShapesSource(count: 800, size: 8, channels: 1)
    var counts = [Int](repeating: 0, count: source.classNames.count)
    for index in 0..<source.count { counts[Int(try source.image(index).label)] += 1 }
    #expect(counts.count == 8)
    for count in counts { #expect((60...140).contains(count)) }
  }

  /// The border is background all round, the shape is inside, in contrast to it, with smooth edges.
  @Test(arguments: [(16, 1), (32, 3), (33, 1)])
  func shapesStandOutFromAPlainBackground(size: Int, channels: Int) throws {
    let source = ShapesSource(count: 200, size: size, channels: channels, seed: 9)
    for index in 0..<source.count {
      let pixels = try source.image(index).pixels
      let colors = stride(from: 0, to: pixels.count, by: channels).map { Array(pixels[$0..<$0 + channels]) }
      let corner = colors[0]
      for other in [size - 1, (size - 1) * size, size * size - 1] { #expect(colors[other] == corner) }
      let differing = colors.filter { $0 != corner }
      #expect(differing.count > size * size / 100)
      #expect(differing.count < size * size * 3 / 4)
      let contrast =
        differing.map { color in zip(color, corner).map { abs(Int($0) - Int($1)) }.max() ?? 0 }.max() ?? 0
      #expect(contrast >= 80)
      #expect(Set(colors).count > 3)
    }
  }

  @Test func aDatasetIsMadeOfThem() throws {
    try withTemporaryDirectory { directory in
      let source = ShapesSource(count: 50, size: 16)
      try DatasetWriter(directory: "\(directory)/a", shardCount: 3).write(source)
      let dataset = try ShardedDataset(directory: "\(directory)/a")
      #expect(dataset.classNames == source.classNames)
      for index in 0..<50 { #expect(try dataset.image(index) == source.image(index)) }
    }
  }
}
