import Layers
import Tensors

/// transformers' `CLIPModel` (Radford et al., 2021): a text and a vision transformer whose embeddings are similar for
/// matching texts and images.
///
/// Tensor names in files follow that class.
public struct CLIP: Sendable {
  public let parameters: ParameterLayout
  public let settings: CLIPSettings
  private let text: CLIPTextNetwork
  private let vision: CLIPVisionNetwork
  private let textProjection: Linear
  private let visionProjection: Linear
  private let scaleVector: TrainedVector

  public init(_ settings: CLIPSettings) {
    self.settings = settings
    let builder = ParameterBuilder("clip")
    func projection(_ name: String, _ inputs: Int) -> Linear {
      Linear(
        builder[name], inputs, settings.width,
        initialization: .normal(deviation: settings.factor / Float(inputs).squareRoot()), hasBias: false)
    }
    scaleVector = TrainedVector(builder, "logit_scale", shape: [], .values([settings.logitScale]))
    text = CLIPTextNetwork(builder["text_model"], settings.text)
    vision = CLIPVisionNetwork(builder["vision_model"], settings.vision)
    visionProjection = projection("visual_projection", settings.vision.transformer.width)
    textProjection = projection("text_projection", settings.text.transformer.width)
    parameters = builder.layout
  }

  /// The unit-length embeddings of texts, [B, width].
  ///
  /// - Parameters:
  ///   - tokens: tokens of B texts, L each.
  ///   - lengths: number of valid leading tokens of each text; nil if all L are valid.
  public func embed(_ tokens: [[Int]], lengths: [Int]? = nil, on tape: Tape) -> Tensor {
    textProjection(text(tokens, lengths: lengths, on: tape).pooled).normalizedToUnitLength()
  }

  /// The unit-length embeddings of images [B, H, W, C], [B, width].
  public func embed(images: Tensor) -> Tensor {
    visionProjection(vision(images)).normalizedToUnitLength()
  }

  /// Throws unless the network accepts images of this size.
  public func check(height: Int, width: Int, channels: Int) throws {
    let (side, expected) = (settings.vision.imageSize, settings.vision.channels)
    guard height == side, width == side, channels == expected else {
      throw ModelError(
        "the model is made for images of \(side)x\(side)x\(expected), these are \(height)x\(width)x\(channels) (height x "
          + "width x channels): set image_size and num_channels in model.vision_config")
    }
  }

  /// Factor applied to similarities, a scalar: the inverse of a trained temperature.
  public func scale(on tape: Tape) -> Tensor { scaleVector(on: tape).exponential() }

  /// The logarithm of `scale`.
  public var logitScale: Parameter { scaleVector.parameter }

  /// The scaled similarity of each image to each text, [images, texts].
  public func logits(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor {
    images.timesTranspose(of: texts).scaled(by: scale)
  }

  /// The mean of two cross entropies: of retrieving each image's text among all texts, and each text's image among all
  /// images. Image i matches text i.
  ///
  /// - Parameters:
  ///   - images, texts: unit-length embeddings, [N, width].
  ///   - scale: a scalar.
  /// - Returns: a scalar.
  public func contrastiveLoss(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor {
    precondition(images.shape == texts.shape, "\(images.shape) images for \(texts.shape) texts")
    let labels = Array(0..<images.shape[0])
    let ofImages = logits(images: images, texts: texts, scale: scale).crossEntropy(labels: labels)
    let ofTexts = logits(images: texts, texts: images, scale: scale).crossEntropy(labels: labels)
    return (ofImages + ofTexts).scaled(by: 0.5)
  }
}
