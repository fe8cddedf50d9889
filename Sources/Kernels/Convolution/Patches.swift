/// Copies between images and the patches under output pixels ("im2col" and its adjoint).
///
/// A patch is [R, R, C]: for each tap, the concatenated channels of all inputs; zero outside the image.
enum Patches {
  /// Gathers the inputs of one tap for pixels of a grid [images, P, Q] as [pixels, channels]: the `channels` of the
  /// pixel (p * stride + y, q * stride + x) of `image`, or zeros outside it.
  ///
  /// - Parameter image: [images, height, width, pixelStride].
  static func gatherTap(
    _ image: UnsafePointer<Float>, height: Int, width: Int, pixelStride: Int, channels: Range<Int>,
    pixels: Range<Int>, grid: (height: Int, width: Int), stride: Int, y: Int, x: Int,
    into taps: UnsafeMutablePointer<Float>
  ) {
    let count = channels.count
    let (row, firstColumn) = pixels.lowerBound.quotientAndRemainder(dividingBy: grid.width)
    var q = firstColumn
    var (index, p) = row.quotientAndRemainder(dividingBy: grid.height)
    var target = taps
    var remaining = pixels.count
    while remaining > 0 {
      let inputY = p &* stride &+ y
      let isInside = inputY >= 0 && inputY < height
      let line = image + ((index &* height &+ inputY) &* width &* pixelStride &+ channels.lowerBound)
      let end = min(grid.width, q &+ remaining)
      remaining &-= end &- q
      while q < end {
        let inputX = q &* stride &+ x
        if isInside && inputX >= 0 && inputX < width {
          copy(line + inputX &* pixelStride, to: target, count: count)
        } else {
          clear(target, count: count)
        }
        target += count
        q &+= 1
      }
      (q, p) = (0, p &+ 1)
      if p == grid.height { (p, index) = (0, index &+ 1) }
    }
  }

  /// Writes the patches of output rows `rows` (row = image * P + p) to `patches` [rows * Q, R * R * C].
  static func gather(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], rows: Range<Int>,
    into patches: UnsafeMutablePointer<Float>
  ) {
    guard inputs.count == 1 else { return gatherFromSeveral(shape, inputs, rows, patches) }
    // The pixels in one row of a patch are contiguous in the image and copied together.
    let (r, c, q) = (shape.kernel, shape.channels, shape.outputWidth)
    let (height, width, outputHeight) = (shape.height, shape.width, shape.outputHeight)
    let lineLength = r * c
    var target = patches
    for row in rows {
      let image = row / outputHeight
      let top = (row % outputHeight) * shape.stride - shape.padding
      for column in 0..<q {
        let left = column * shape.stride - shape.padding
        // The taps of a row that lie inside the image.
        let firstTap = max(0, -left)
        let lastTap = max(firstTap, min(r, width &- left))
        for y in 0..<r {
          let inputY = top &+ y
          if inputY >= 0 && inputY < height && lastTap > firstTap {
            let pixel = (image &* height &+ inputY) &* width &+ left &+ firstTap
            clear(target, count: firstTap &* c)
            copy(inputs[0] + pixel &* c, to: target + firstTap &* c, count: (lastTap &- firstTap) &* c)
            clear(target + lastTap &* c, count: (r &- lastTap) &* c)
          } else {
            clear(target, count: lineLength)
          }
          target += lineLength
        }
      }
    }
  }

  private static func gatherFromSeveral(
    _ shape: ConvolutionShape, _ inputs: [UnsafePointer<Float>], _ rows: Range<Int>,
    _ patches: UnsafeMutablePointer<Float>
  ) {
    let (patchLength, tapLength) = (shape.patchLength, shape.channels)
    var channel = 0
    for (input, channels) in zip(inputs, shape.inputChannels) {
      let first = patches + channel
      forEachTap(shape, rows: rows) { patch, tap, pixel in
        let target = first + (patch &* patchLength &+ tap &* tapLength)
        if let pixel {
          copy(input + pixel &* channels, to: target, count: channels)
        } else {
          clear(target, count: channels)
        }
      }
      channel += channels
    }
  }

  /// Adds `patches`, in the layout of `gather`, to the pixels that they came from.
  static func scatterAdd(
    _ shape: ConvolutionShape, _ patches: UnsafePointer<Float>, rows: Range<Int>,
    to images: [UnsafeMutablePointer<Float>?]
  ) {
    let (patchLength, tapLength) = (shape.patchLength, shape.channels)
    var channel = 0
    for (image, channels) in zip(images, shape.inputChannels) {
      let first = patches + channel
      channel += channels
      guard let image else { continue }
      forEachTap(shape, rows: rows) { patch, tap, pixel in
        guard let pixel else { return }
        Reduction.add(
          first + (patch &* patchLength &+ tap &* tapLength), to: image + pixel &* channels,
          count: channels)
      }
    }
  }

  /// Calls `body` for every tap of every patch with the patch's index in the block, the tap, and the index of the input
  /// pixel, or nil outside the image.
  @inline(__always)
  private static func forEachTap(
    _ shape: ConvolutionShape, rows: Range<Int>, _ body: (_ patch: Int, _ tap: Int, _ pixel: Int?) -> Void
  ) {
    let (r, q) = (shape.kernel, shape.outputWidth)
    let (height, width, outputHeight) = (shape.height, shape.width, shape.outputHeight)
    var patch = 0
    for row in rows {
      let image = row / outputHeight
      let top = (row % outputHeight) * shape.stride - shape.padding
      for column in 0..<q {
        let left = column * shape.stride - shape.padding
        for y in 0..<r {
          let inputY = top &+ y
          let isInside = inputY >= 0 && inputY < height
          let line = (image &* height &+ inputY) &* width
          for x in 0..<r {
            let inputX = left &+ x
            body(patch, y &* r &+ x, isInside && inputX >= 0 && inputX < width ? line &+ inputX : nil)
          }
        }
        patch &+= 1
      }
    }
  }

  @inline(__always)
  private static func copy(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int)
  {
    // Vectors rather than memcpy: a pixel has a few dozen channels, too few to be worth a call.
    forEachVector(count) { index in
      Vector(from: source + index).store(to: target + index)
    } rest: { index, rest in
      for lane in index..<index &+ rest { target[lane] = source[lane] }
    }
  }
  @inline(__always)
  private static func clear(_ target: UnsafeMutablePointer<Float>, count: Int) {
    forEachVector(count) { index in
      Vector(repeating: 0).store(to: target + index)
    } rest: { index, rest in
      for lane in index..<index &+ rest { target[lane] = 0 }
    }
  }
}
