import Foundation
import Pictures

/// Prepares a picture for CLIP's image transformer.
public struct ImagePreparation: Sendable, Equatable {
  /// The size to which pictures are scaled first.
  enum Size: Sendable, Equatable {
    case asTheyAre
    /// The shorter side gets this many pixels; the longer one is scaled in proportion and rounded down.
    case shortestSide(Int)
    case exactly(height: Int, width: Int)
  }

  /// The network's input is [H, W, C], with H = W = `side`: the centre of the picture.
  let side: Int
  let channels: Int
  let size: Size
  /// y = (x factor - mean) / deviation for a byte x, per channel.
  let factor: Float
  let means: [Float]
  let deviations: [Float]

  /// The preparation used in training here: x / 127.5 - 1. Larger pictures are cropped at the centre.
  public init(side: Int, channels: Int) {
    self.side = side
    self.channels = channels
    size = .shortestSide(side)
    factor = 1 / 127.5
    means = [Float](repeating: 1, count: channels)
    deviations = [Float](repeating: 1, count: channels)
  }

  /// The preparation described by the `preprocessor_config.json` of a transformers folder, with the defaults of
  /// `CLIPImageProcessor`.
  ///
  /// - Parameters:
  ///   - json: the content of the file; nil selects the defaults.
  ///   - side: the side of the network's input, in pixels.
  /// - Throws: `EvaluationError` for settings that are not supported.
  public init(json: [UInt8]?, file: String, side: Int, channels: Int) throws {
    let settings: Settings
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      settings = try decoder.decode(Settings.self, from: Data(json ?? Array("{}".utf8)))
    } catch {
      throw EvaluationError(file, "is no configuration of an image processor: \(error)")
    }
    func require(_ holds: Bool, _ problem: String) throws {
      guard holds else { throw EvaluationError(file, problem) }
    }
    try require(
      settings.resample ?? 3 == 3, "resample is \(settings.resample ?? 3), and 3 (bicubic) is computed here")
    try require(channels == 3, "the network sees \(channels) channels, and the processor makes 3")
    self.side = side
    self.channels = channels
    size = settings.doResize ?? true ? settings.size?.size ?? .shortestSide(224) : .asTheyAre
    let crop =
      settings.doCenterCrop ?? true ? settings.cropSize?.size ?? .exactly(height: 224, width: 224) : size
    try require(
      crop == .exactly(height: side, width: side) || crop == .shortestSide(side),
      "makes pictures of another size than the network's image_size, \(side)")
    if case .shortestSide(let length) = size { try require(length >= side, "size is below crop_size") }
    if case .exactly(let height, let width) = size {
      try require(height >= side && width >= side, "size is below crop_size")
    }
    factor = settings.doRescale ?? true ? Float(settings.rescaleFactor ?? 1 / 255) : 1
    let isNormalized = settings.doNormalize ?? true
    let clip = (
      means: [0.48145466, 0.4578275, 0.40821073], deviations: [0.26862954, 0.26130258, 0.27577711]
    )
    means = (isNormalized ? settings.imageMean ?? clip.means : [0, 0, 0]).map { Float($0) }
    deviations = (isNormalized ? settings.imageStd ?? clip.deviations : [1, 1, 1]).map { Float($0) }
    try require(means.count == 3 && deviations.count == 3, "image_mean and image_std are for 3 channels")
  }

  /// Keys of the file, in camel case.
  private struct Settings: Decodable {
    let doResize: Bool?
    let size: Sides?
    let resample: Int?
    let doCenterCrop: Bool?
    let cropSize: Sides?
    let doRescale: Bool?
    let rescaleFactor: Double?
    let doNormalize: Bool?
    let imageMean: [Double]?
    let imageStd: [Double]?
  }

  /// A number, `{"shortest_edge": 224}` or `{"height": 224, "width": 224}`.
  private struct Sides: Decodable {
    let size: Size

    private enum Key: String, CodingKey {
      case shortest = "shortestEdge"
      case height, width
    }

    init(from decoder: any Decoder) throws {
      if let number = try? decoder.singleValueContainer().decode(Int.self) {
        size = .shortestSide(number)
        return
      }
      let values = try decoder.container(keyedBy: Key.self)
      if let shortest = try values.decodeIfPresent(Int.self, forKey: .shortest) {
        size = .shortestSide(shortest)
      } else {
        size = .exactly(
          height: try values.decode(Int.self, forKey: .height),
          width: try values.decode(Int.self, forKey: .width))
      }
    }
  }

  /// The prepared picture, [side, side, C].
  ///
  /// - Throws: `EvaluationError` for a picture smaller than the crop.
  func callAsFunction(_ picture: Picture, of path: String) throws -> [Float] {
    var picture = picture.converted(toChannels: channels)
    switch size {
    case .asTheyAre: break
    case .exactly(let height, let width): picture = picture.bicubic(width: width, height: height)
    case .shortestSide(let length):
      let shorter = min(picture.width, picture.height)
      picture = picture.bicubic(
        width: picture.width * length / shorter, height: picture.height * length / shorter)
    }
    guard picture.width >= side, picture.height >= side else {
      throw EvaluationError(
        path,
        "has a picture of \(picture.height) x \(picture.width), smaller than the \(side) x \(side) that CLIP sees"
      )
    }
    let cut = picture.cropped(
      top: (picture.height - side) / 2, left: (picture.width - side) / 2, width: side, height: side)
    return cut.samples.enumerated().map { place, sample in
      (Float(sample) * factor - means[place % channels]) / deviations[place % channels]
    }
  }
}
