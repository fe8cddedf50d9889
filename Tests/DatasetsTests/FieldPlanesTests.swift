import Datasets
import Testing

@Suite struct FieldPlanesTests {
  private func field(_ name: String, _ shape: [Int], _ role: FieldRole) -> Field {
    Field(name: name, type: .float32, shape: shape, role: role)
  }

  /// On the same grid, on one half as fine, one number and two of them.
  @Test func channelsFollowOneAnother() throws {
    let planes = try FieldPlanes(
      [
        field("fine", [2, 4, 1], .condition), field("coarse", [1, 2, 2], .condition),
        field("one", [], .scalar),
        field("two", [2], .scalar),
      ], height: 2, width: 4, in: "data")
    #expect(planes.shape == [2, 4, 6])
    // Of two samples, the second.
    let values: [[Float]] = [
      (0..<16).map { Float($0) }, [0, 0, 0, 0, 20, 21, 22, 23], [0, 30], [0, 0, 40, 41],
    ]
    var image = [Float](repeating: .nan, count: 2 * 4 * 6)
    image.withUnsafeMutableBufferPointer { planes.fill($0, with: values, of: 1) }
    for y in 0..<2 {
      for x in 0..<4 {
        let pixel = Array(image[(y * 4 + x) * 6..<(y * 4 + x + 1) * 6])
        let coarse: [Float] = x < 2 ? [20, 21] : [22, 23]
        #expect(pixel == [Float(8 + y * 4 + x)] + coarse + [30, 40, 41])
      }
    }
  }

  @Test(arguments: [
    ([3, 4, 1], "has 3 x 4 values, and images have 2 x 4"), ([1, 4, 1], "has 1 x 4 values"),
    ([4, 8, 1], "has 4 x 8 values"), ([2, 4], "is [2, 4], expected [H, W, C]"),
  ])
  func whatDoesNotFitIsSaid(shape: [Int], message: String) throws {
    let error = try #require(throws: DatasetError.self) {
      try FieldPlanes(
        [field("odd", shape, FieldRole(rawValue: "odd"))], height: 2, width: 4, in: "data")
    }
    #expect(error.description.contains(message), "\(error)")
  }
}
