import Pictures

/// Images that show a run's progress: each rank draws a part, and one assembles them. Image i is the same wherever it
/// is drawn.
public protocol Preview {
  /// The values of the images numbered `samples`, consecutively.
  ///
  /// - Parameter onStep: called `steps(count:worldSize:)` times on the rank that draws the most images.
  func drawn(_ samples: Range<Int>, onStep: () throws -> Void) throws -> [Float]

  /// The number of calls of `onStep` on the rank that draws the most of `count` images.
  func steps(count: Int, worldSize: Int) -> Int

  /// A picture of all values returned by `drawn`, in order.
  ///
  /// - Throws: `PictureError` if there is not enough memory to write captions.
  func grid(_ values: [Float]) throws -> Picture
}
