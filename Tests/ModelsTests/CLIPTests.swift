import Foundation
import Kernels
import Models
import NumericsTestSupport
import Safetensors
import Settings
import Tensors
import Testing

/// What a section of a configuration is read into; keys it does not know are errors.
func settings<Value>(_ yaml: String, _ read: (SettingsReader) throws -> Value) throws -> Value {
  let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "model")
  let value = try read(reader)
  try reader.finish()
  return value
}

/// A forward and backward pass of a golden case of CLIP or of a half of it.
private struct CLIPPass {
  var output: [Float] = []
  var loss = 0.0
  var gradients: [String: [Float]] = [:]

  init(_ file: SafetensorsFile, threads: Int, recomputes: Bool = false) throws {
    let yaml = try #require(file.metadata["model"])
    let shape = try file.shape(of: "tokens")
    let numbers = try file.int64s("tokens").map(Int.init)
    let tokens = (0..<shape[0]).map { Array(numbers[$0 * shape[1]..<($0 + 1) * shape[1]]) }
    let kind = try settings(yaml) { reader in
      let kind = try reader.required("kind", as: String.self, help: "")
      // Read again below: here, only the kind.
      for key in Self.keys(yaml) where key != "kind" { reader.kept(key) }
      return kind
    }
    let text = kind == "clip-text" ? try settings(yaml) { try TextEncoderKind.model($0) } : nil
    let clip =
      kind == "clip"
      ? CLIP(
        try settings(yaml) { reader in
          _ = try reader.required("kind", as: String.self, help: "")
          return try CLIPSettings(reader)
        }) : nil
    let layout = try #require(text?.parameters ?? clip?.parameters)
    let weights = try goldenWeights(file, layout)
    let gradients = ParameterBuffer(count: layout.flatCount)
    // What is there is to be written over.
    gradients.elements.update(repeating: .nan)
    let tape = Tape(
      engine: Engine(threadCount: threads), weights: weights, gradients: gradients, recomputes: recomputes)
    let result: Tensor
    let loss: Tensor
    if let text {
      result = text(tokens, on: tape).tokens
      let target = tape.input(result.shape)
      _ = target.elements.update(fromContentsOf: try file.floats("target"))
      loss = result.meanLoss(
        try #require(PredictionLoss(rawValue: file.metadata["loss"] ?? "")), target: target)
    } else {
      let clip = try #require(clip)
      let size = try file.shape(of: "x")
      let x = tape.input([size[0], size[2], size[3], size[1]])
      _ = x.elements.update(
        fromContentsOf: exchanged(try file.floats("x"), batch: size[0], size[1], size[2] * size[3]))
      let (images, texts) = (clip.embed(images: x), clip.embed(tokens, on: tape))
      let scale = clip.scale(on: tape)
      result = clip.logits(images: images, texts: texts, scale: scale)
      loss = clip.contrastiveLoss(images: images, texts: texts, scale: scale)
    }
    output = Array(result.elements)
    self.loss = Double(loss.elements[0])
    tape.clearUnusedGradients(of: layout.parameters)
    tape.backward(from: Loss(loss)) { _ in }
    self.gradients = namedGradients(gradients, layout)
    withExtendedLifetime((result, gradients)) {}
  }

  private static func keys(_ yaml: String) -> [String] {
    guard let node = try? SettingsNode(yaml: yaml, source: ""), case .section(let entries) = node.content
    else { return [] }
    return entries.map(\.key)
  }
}

@Suite struct CLIPTests {
  static let cases = ["clip-text", "clip"].flatMap { kind in
    ((try? Fixture.safetensorsNames(in: kind)) ?? []).map { "\(kind)/\($0)" }
  }

  @Test func thereAreCases() { #expect(Self.cases.count == 5) }

  @Test(arguments: cases) func outputLossAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors(name)
    let pass = try CLIPPass(file, threads: 2)
    #expect(relativeError(of: pass.output, from: try file.floats("output")) < 1e-4)
    #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < 1e-4)
    try expectGradients(pass.gradients, of: file, within: 1e-4)
  }

  @Test(arguments: cases) func neitherThreadsNorRecomputationChangeBits(name: String) throws {
    let file = try Fixture.safetensors(name)
    let first = try CLIPPass(file, threads: 1)
    for pass in [
      try CLIPPass(file, threads: 2), try CLIPPass(file, threads: 5),
      try CLIPPass(file, threads: 2, recomputes: true),
    ] {
      #expect(bitPatterns(pass.output) == bitPatterns(first.output))
      #expect(pass.loss == first.loss)
      for (name, gradient) in pass.gradients {
        #expect(first.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name)")
      }
    }
  }

  /// What transformers writes of its classes' defaults is read, and they are ours.
  @Test func configurationsOfTransformers() throws {
    func written(_ name: String) throws -> String {
      try String(contentsOf: Fixture.url("configurations/\(name).json"), encoding: .utf8)
    }
    let text = try settings(try written("clip-text"), CLIPTextSettings.init)
    #expect(try text == settings("{}", CLIPTextSettings.init))
    #expect(try settings(try written("clip"), CLIPSettings.init) == (try settings("{}", CLIPSettings.init)))
  }

  /// In older files a half stands twice, and the second takes the place of all of the first.
  @Test func olderConfigurations() throws {
    let clip = try settings(
      "{text_config: {hidden_size: 64, vocab_size: 9}, text_config_dict: {hidden_size: 128}, vision_config_dict: null}",
      CLIPSettings.init)
    #expect(clip.text.transformer.width == 128 && clip.text.vocabularySize == 49_408)
    #expect(clip.vision.transformer.width == 768)
  }

  /// The sizes of OpenAI's ViT-L/14, the text half of which is Stable Diffusion 1's encoder.
  @Test func parametersOfTheLargeModel() throws {
    let clip = CLIP(
      try settings(
        """
        {projection_dim: 768, text_config: {hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12},
        vision_config: {hidden_size: 1024, intermediate_size: 4096, num_attention_heads: 16, num_hidden_layers: 24,
        patch_size: 14}}
        """, CLIPSettings.init))
    #expect(clip.parameters.valueCount == 427_616_513)
    let shapes = Dictionary(uniqueKeysWithValues: clip.parameters.fileTensors.map { ($0.name, $0.shape) })
    #expect(shapes["logit_scale"] == [])
    #expect(shapes["text_model.embeddings.position_embedding.weight"] == [77, 768])
    #expect(shapes["text_model.encoder.layers.11.self_attn.k_proj.weight"] == [768, 768])
    #expect(shapes["vision_model.embeddings.patch_embedding.weight"] == [1024, 3, 14, 14])
    #expect(shapes["vision_model.embeddings.class_embedding"] == [1024])
    #expect(shapes["vision_model.pre_layrnorm.weight"] == [1024])
    #expect(shapes["visual_projection.weight"] == [768, 1024])
  }

  /// A text is the same whatever follows its end, and beside whatever texts.
  @Test func whatFollowsTheEndDoesNotCount() throws {
    let encoder = CLIPTextModel(
      try settings(
        """
        {vocab_size: 9, hidden_size: 8, intermediate_size: 8, num_hidden_layers: 2, num_attention_heads: 2,
        max_position_embeddings: 6, eos_token_id: 8}
        """, CLIPTextSettings.init))
    let weights = encoder.parameters.initialWeights(seed: 1)
    func encode(_ tokens: [[Int]], lengths: [Int]?) -> (pooled: [Float], tokens: [Float]) {
      let tape = Tape(engine: Engine(threadCount: 1), weights: weights, gradients: nil)
      let encoded = encoder(tokens, lengths: lengths, on: tape)
      let pooled = encoded.pooled
      return withExtendedLifetime((encoded, pooled)) {
        (Array(pooled.elements), Array(encoded.tokens.elements))
      }
    }
    let first = encode([[7, 3, 8, 8, 8, 8], [7, 8, 0, 0, 0, 0]], lengths: nil)
    let second = encode([[7, 5, 5, 5, 5, 8], [7, 3, 8, 1, 2, 3], [7, 8, 0, 0, 0, 0]], lengths: nil)
    #expect(first.pooled[..<8] == second.pooled[8..<16] && first.pooled[8...] == second.pooled[16...])
    #expect(first.pooled[..<8] != second.pooled[..<8])
    // Tokens that do not count are attended to by nobody.
    let some = encode([[7, 3, 8, 1, 2, 3]], lengths: [3])
    let all = encode([[7, 3, 8, 1, 2, 3]], lengths: nil)
    #expect(bitPatterns(Array(some.tokens[..<24])) == bitPatterns(Array(all.tokens[..<24])))
    #expect(some.tokens[24...] != all.tokens[24...])
  }

  @Test(arguments: [
    ("{hidden_act: mish}", "model.hidden_act: expected one of quick_gelu, gelu"),
    (
      "{hidden_size: 100, num_attention_heads: 8}",
      "model.num_attention_heads: must divide hidden_size (100), is 8"
    ),
    ("{attention_dropout: 0.1}", "model.attention_dropout"),
    ("{eos_token_id: null}", "model.eos_token_id"),
    ("{eos_token_id: [1, 2]}", "model.eos_token_id"),
    ("{clip_skip: 12}", "model.clip_skip: must be below num_hidden_layers (12), is 12"),
    ("{hidden_sizes: 12}", "did you mean \"hidden_size\""),
  ])
  func textSettingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try settings(yaml, CLIPTextSettings.init) }
    #expect(error.description.contains(message), "\(error)")
  }

  @Test(arguments: [
    ("{vision_config: {image_size: [224, 224]}}", "model.vision_config.image_size"),
    ("{vision_config: {image_size: 8, patch_size: 9}}", "model.vision_config.patch_size: must not exceed"),
    ("{text_config: {vocab: 3}}", "model.text_config.vocab"),
    ("{text_config: 3}", "model.text_config: expected a section"),
    ("{projection_dim: null}", "model.projection_dim"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let error = try #require(throws: SettingsError.self) { try settings(yaml, CLIPSettings.init) }
    #expect(error.description.contains(message), "\(error)")
  }
}
