import Foundation
import Kernels
import Layers
import Models
import Tensors

/// Trains CLIP's two encoders (Radford et al., 2021): an image and its caption should be more similar to each other
/// than to any other sample of the batch.
///
/// With S the similarities of the batch's N images and texts, P its softmax over texts and Q its softmax over images,
/// the loss is the mean of -ln P_ii and -ln Q_ii, and its gradient with respect to S is (P + Q - 2 I) / 2N. A
/// micro-batch of B samples computes the rows of its images and the columns of its texts.
public struct ContrastiveTask: WholeBatchTask {
  private let model: CLIP
  private let tokens: @Sendable (_ caption: String) -> [Int]
  /// [H, W, C].
  private let imageShape: [Int]
  private let seed: UInt64

  /// ln 100, the published upper bound of the scale of similarities (section 2.5).
  private static let greatestScale = Float(log(100.0))

  /// - Parameter tokens: returns the tokens of a caption, the same number for each.
  public init(
    _ model: CLIP, imageShape: [Int], seed: UInt64, tokens: @escaping @Sendable (_ caption: String) -> [Int]
  ) {
    self.model = model
    self.imageShape = imageShape
    self.seed = seed
    self.tokens = tokens
  }

  public var parameters: ParameterLayout { model.parameters }
  public var lossNames: [String] { ["image_accuracy"] }
  public var featureSize: Int { 2 * model.settings.width }

  public func bound(_ weights: ParameterBuffer) {
    let place = model.logitScale.offset
    weights.pointer[place] = min(weights.pointer[place], Self.greatestScale)
  }

  /// The embeddings of the micro-batch's images and captions, [B, D] each.
  private func embed(_ input: TaskInput, on tape: Tape) -> (images: Tensor, texts: Tensor) {
    let size = imageShape.reduce(1, *)
    let images = tape.input([input.places.count] + imageShape)
    input.batch.images.withUnsafeBufferPointer { all in
      let range = input.places.lowerBound * size..<input.places.upperBound * size
      _ = images.elements.update(from: UnsafeBufferPointer(rebasing: all[range]))
    }
    return (
      model.embed(images: images), model.embed(input.captions(seed: seed).map(tokens), on: tape)
    )
  }

  public func features(of input: TaskInput, on tape: Tape) -> Tensor {
    let (images, texts) = embed(input, on: tape)
    return Tensor.concatenated([images, texts], axis: 1)
  }

  public func wholeBatch(_ features: [Float], weights: ParameterBuffer, engine: Engine) -> WholeBatch {
    let width = model.settings.width
    let count = features.count / featureSize
    func half(_ start: Int) -> [Float] {
      (0..<count).flatMap { features[$0 * featureSize + start..<$0 * featureSize + start + width] }
    }
    let (images, texts) = (half(0), half(width))
    /// ln Σ_j e^(s <left, right_j>) for each row of `left`, a block of rows at a time.
    func normalizers(_ left: [Float], _ right: [Float]) -> [Float] {
      stride(from: 0, to: count, by: Self.rowsAtOnce).flatMap { first in
        let rows = min(Self.rowsAtOnce, count - first)
        let tape = Tape(engine: engine, weights: weights, gradients: nil)
        let logits = model.logits(
          images: tape.input([rows, width], left[first * width..<(first + rows) * width]),
          texts: tape.input([count, width], right[...]), scale: model.scale(on: tape))
        return (0..<rows).map { row in
          Self.logarithmOfSum(logits.elements[row * count..<(row + 1) * count])
        }
      }
    }
    return WholeBatch(
      images: images, texts: texts, imageNormalizers: normalizers(images, texts),
      textNormalizers: normalizers(texts, images))
  }

  private static let rowsAtOnce = 256

  /// ln Σ e^x.
  private static func logarithmOfSum(_ values: Slice<UnsafeMutableBufferPointer<Float>>) -> Float {
    let greatest = values.max() ?? 0
    let sum = values.reduce(0.0) { $0 + exp(Double($1 - greatest)) }
    return greatest + Float(log(sum))
  }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses {
    let (images, texts) = embed(input, on: tape)
    let scale = model.scale(on: tape)
    guard let all = input.wholeBatch else {
      // Held-out samples are compared among themselves.
      let loss = model.contrastiveLoss(images: images, texts: texts, scale: scale)
      let logits = model.logits(images: images, texts: texts, scale: scale)
      return TaskLosses(total: Loss(loss), parts: [Self.accuracy(logits, first: 0)])
    }
    let shape = [all.count, model.settings.width]
    // The rows already contribute the scale's full gradient: the columns must not add it again.
    let constant = tape.input([], [scale.elements[0]])
    let rows = model.logits(images: images, texts: tape.input(shape, all.texts[...]), scale: scale)
    let columns = model.logits(images: texts, texts: tape.input(shape, all.images[...]), scale: constant)
    let first = input.samples.lowerBound
    let ofImages = Self.loss(rows, first: first, own: all.imageNormalizers, others: all.textNormalizers)
    let ofTexts = Self.loss(columns, first: first, own: all.textNormalizers, others: all.imageNormalizers)
    return TaskLosses(
      total: Loss(ofImages.scalar + ofTexts.scalar, value: ofImages.value + ofTexts.value),
      parts: [Self.accuracy(rows, first: first)])
  }

  /// Half the mean over B rows of -ln softmax(S)_ii, with the gradient of the whole batch's loss with respect to S,
  /// times N / B.
  ///
  /// - Parameters:
  ///   - logits: S, [B, N], for the samples from `first` on.
  ///   - own: log-sum-exp of each row of S, by sample, [N].
  ///   - others: log-sum-exp of each column.
  private static func loss(_ logits: Tensor, first: Int, own: [Float], others: [Float]) -> Loss {
    let (batch, count) = (logits.shape[0], logits.shape[1])
    let gradient = logits.tape.engine.storage(logits.count)
    var value = 0.0
    for row in 0..<batch {
      let sample = first + row
      for column in 0..<count {
        let place = row * count + column
        let similarity = logits.elements[place]
        gradient.elements[place] =
          (exp(similarity - own[sample]) + exp(similarity - others[column]) - (column == sample ? 2 : 0))
          / Float(2 * batch)
      }
      value += Double(own[sample] - logits.elements[row * count + sample])
    }
    return logits.loss(value: value / Double(2 * batch), gradient: gradient)
  }

  /// The fraction of images most similar to their own text.
  private static func accuracy(_ logits: Tensor, first: Int) -> Double {
    let (batch, count) = (logits.shape[0], logits.shape[1])
    let found = (0..<batch).count { row in
      let values = logits.elements[row * count..<(row + 1) * count]
      return values.indices.max { values[$0] < values[$1] } == row * count + first + row
    }
    return Double(found) / Double(batch)
  }
}

extension Tape {
  /// An input with these values.
  fileprivate func input(_ shape: [Int], _ values: ArraySlice<Float>) -> Tensor {
    let input = self.input(shape)
    _ = input.elements.update(fromContentsOf: values)
    return input
  }
}
