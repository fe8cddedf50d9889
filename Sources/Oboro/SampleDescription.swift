import Diffusion
import Files
import Foundation
import Generation

/// The metadata in the PNG file of a drawn picture: how it was drawn.
struct SampleDescription {
  private let prompts: SamplePrompts?
  private let common: [(keyword: String, text: String)]

  /// - Parameter latents: the file of the initial noise, if there was one.
  init(_ model: SampledModel, seed: UInt64, latents: String?) {
    prompts = model.prompts
    let digest = model.weightsDigest ?? Self.digest(of: UnsafeRawBufferPointer(model.weights.elements))
    var common = [(keyword: String, text: String)]()
    if let prompts, !prompts.negative.isEmpty { common.append(("negative_prompt", prompts.negative)) }
    common += [("seed", "\(seed)")]
    if let latents { common.append(("latents", URL(fileURLWithPath: latents).lastPathComponent)) }
    common += [
      ("sampler", model.plan.sampler.rawValue), ("steps", "\(model.plan.steps)"),
      ("guidance", "\(model.plan.guidance.scale)"), ("model_digest", digest),
    ]
    self.common = common
  }

  private static func digest(of bytes: UnsafeRawBufferPointer) -> String {
    let stream = SHA256.Stream()
    stream.append(bytes)
    return stream.finish()
  }

  /// The metadata of the image numbered `sample`.
  func texts(of sample: Int) -> [(keyword: String, text: String)] {
    (prompts.map { [("prompt", $0.text(sample))] } ?? []) + [("image", "\(sample)")] + common
  }
}
