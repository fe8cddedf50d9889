import CWebP

/// Decodes WebP files with libwebp.
enum WebPDecoder {
  /// Decodes the file's image, or the first frame of an animation.
  ///
  /// - Throws: `PictureHeader.Problem` if libwebp cannot decode it.
  static func decode(_ file: [UInt8], width: Int, height: Int) throws -> Raster {
    let raster = try Raster(width: width, height: height, layout: .rgba)
    let samples = raster.samples
    try file.withUnsafeBufferPointer { file in
      var features = WebPBitstreamFeatures()
      let code = WebPGetFeatures(file.baseAddress, file.count, &features)
      guard code == VP8_STATUS_OK else { throw Self.failure(code) }
      if features.has_animation != 0 {
        try decodeFirst(of: file, width: width, height: height, into: samples)
        return
      }
      try Self.requireSize(Int(features.width), Int(features.height), width, height)
      guard
        WebPDecodeRGBAInto(file.baseAddress, file.count, samples.baseAddress, samples.count, Int32(4 * width))
          != nil
      else { throw PictureHeader.Problem.malformed("its data is damaged or ends early") }
    }
    return raster
  }

  private static func decodeFirst(
    of file: UnsafeBufferPointer<UInt8>, width: Int, height: Int,
    into samples: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    var options = WebPAnimDecoderOptions()
    WebPAnimDecoderOptionsInit(&options)
    options.color_mode = MODE_RGBA
    options.use_threads = 0
    var data = WebPData(bytes: file.baseAddress, size: file.count)
    guard let decoder = WebPAnimDecoderNew(&data, &options) else {
      throw PictureHeader.Problem.malformed("its animation is damaged or ends early")
    }
    defer { WebPAnimDecoderDelete(decoder) }
    var info = WebPAnimInfo()
    WebPAnimDecoderGetInfo(decoder, &info)
    try requireSize(Int(info.canvas_width), Int(info.canvas_height), width, height)
    var canvas: UnsafeMutablePointer<UInt8>?
    var time: Int32 = 0
    guard WebPAnimDecoderGetNext(decoder, &canvas, &time) != 0, let canvas else {
      throw PictureHeader.Problem.malformed("its first picture is damaged or ends early")
    }
    samples.baseAddress?.update(from: canvas, count: samples.count)
  }

  private static func requireSize(_ width: Int, _ height: Int, _ expectedWidth: Int, _ expectedHeight: Int)
    throws
  {
    guard width == expectedWidth, height == expectedHeight else {
      throw PictureHeader.Problem.malformed(
        "holds \(height) x \(width) pixels, its header says \(expectedHeight) x \(expectedWidth)")
    }
  }

  private static func failure(_ code: VP8StatusCode) -> PictureHeader.Problem {
    switch code {
    case VP8_STATUS_NOT_ENOUGH_DATA: .endsEarly
    case VP8_STATUS_OUT_OF_MEMORY: .malformed("no memory to decode it")
    case VP8_STATUS_UNSUPPORTED_FEATURE: .malformed("it uses what libwebp does not support")
    default: .malformed("its data is damaged")
    }
  }
}
