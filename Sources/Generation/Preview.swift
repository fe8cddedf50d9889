import Pictures

/// Images by which a run shows how far it is: ranks draw a part each, and one puts them together. Image i is the same
/// wherever it is drawn.
public protocol Preview {
  /// The values of images number `samples`, one after the other.
  ///
  /// - Parameter onStep: called as often as `steps(count:worldSize:)` says on the rank that has most of the images.
  func drawn(_ samples: Range<Int>, onStep: () throws -> Void) throws -> [Float]

  /// How often `onStep` is called on the rank that draws most of `count` images.
  func steps(count: Int, worldSize: Int) -> Int

  /// A picture of all that `drawn` has given, in order.
  ///
  /// - Throws: `PictureError` when there is no memory to write captions in.
  func grid(_ values: [Float]) throws -> Picture
}
