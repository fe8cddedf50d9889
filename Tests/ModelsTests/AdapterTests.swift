import Layers
import Models
import NumericsTestSupport
import Randomness
import Settings
import Tensors
import Testing

/// Adapters on frozen models, beyond what `oboro check` compares with peft.
@Suite struct AdapterTests {
  private static let unet = """
    kind: unet-2d
    in_channels: 2
    out_channels: 2
    block_out_channels: [4, 8]
    down_block_types: [DownBlock2D, AttnDownBlock2D]
    up_block_types: [AttnUpBlock2D, UpBlock2D]
    norm_num_groups: 2
    layers_per_block: 1
    attention_head_dim: 4
    """

  private func adapter(_ yaml: String, of model: any Denoiser) throws -> Adapter {
    let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "adapter")
    let settings = try AdapterSettings(reader)
    try reader.finish()
    return try settings.adapter(of: model.parameters, reader)
  }

  /// A pass of 2 images through the model and its adapter, whose weights are random.
  private struct Pass {
    let output: [Float]
    let gradients: [Float]
    /// Tensors' buffers that the backward pass needs.
    let keptBuffers: Int

    init(
      _ model: any Denoiser, _ adapter: Adapter, threads: Int = 2, recomputes: Bool = false,
      isAdapted: Bool = true, samples: Int = 2
    ) {
      let engine = Engine(threadCount: threads)
      let weights = adapter.parameters.initialWeights(seed: 3)
      RandomStream(seed: 4, purpose: .noise).fillNormal(weights.elements)
      for index in weights.elements.indices { weights.elements[index] *= 0.2 }
      let gradients = ParameterBuffer(count: weights.count)
      let tape = Tape(
        engine: engine,
        sets: [
          BoundParameters(adapter.parameters.set, weights: weights, gradients: gradients),
          BoundParameters(model.parameters.set, weights: model.parameters.initialWeights(seed: 1)),
        ], recomputes: recomputes, adaptation: isAdapted ? adapter : nil)
      let x = tape.input([samples, 8, 8, model.imageChannels])
      RandomStream(seed: 2, purpose: .noise).fillNormal(x.elements)
      let prediction = model(x, timesteps: [Float](repeating: 7, count: samples))
      output = Array(prediction.elements)
      keptBuffers = engine.buffersInUse
      if isAdapted {
        let gradient = engine.storage(prediction.count)
        gradient.elements.update(repeating: 1)
        tape.backward(from: prediction, gradient: gradient)
      }
      self.gradients = Array(gradients.elements)
      withExtendedLifetime((prediction, gradients, weights)) {}
    }
  }

  /// A new adapter changes nothing, whatever its kind.
  @Test(arguments: AdapterKind.allCases) func startsFromTheModelItself(kind: AdapterKind) throws {
    let model = try model(Self.unet)
    let adapter = try adapter("{kind: \(kind.rawValue), rank: 2, targets: all}", of: model)
    let engine = Engine(threadCount: 1)
    let weights = adapter.parameters.initialWeights(seed: 9)
    let tape = Tape(
      engine: engine,
      sets: [
        BoundParameters(adapter.parameters.set, weights: weights),
        BoundParameters(model.parameters.set, weights: model.parameters.initialWeights(seed: 1)),
      ], adaptation: adapter)
    for module in model.parameters.adaptableModules {
      guard let change = tape.change(of: module.weight.parameter) else { continue }
      let values: [Float] =
        switch change {
        case .sum(let sum): Array(sum.elements)
        case .lowRank(let change): Array(change.product.elements)
        }
      #expect(values.allSatisfy { $0 == 0 }, "\(module.name)")
    }
    #expect(weights.elements.contains { $0 != 0 })
  }

  /// Neither threads nor recomputation change a bit.
  @Test(arguments: AdapterKind.allCases) func bitsAreTheSame(kind: AdapterKind) throws {
    let model = try model(Self.unet)
    var adapter = try adapter("{kind: \(kind.rawValue), rank: 2, targets: all}", of: model)
    if kind == .lora {
      adapter = adapter.dropping(
        AdapterDropout(probability: 0.5, samples: TrainingSamples(seed: 5, step: 3, positions: 4..<6)))
    }
    let expected = Pass(model, adapter, threads: 1)
    for (threads, recomputes) in [(3, false), (2, true)] {
      let pass = Pass(model, adapter, threads: threads, recomputes: recomputes)
      #expect(bitPatterns(pass.output) == bitPatterns(expected.output))
      #expect(bitPatterns(pass.gradients) == bitPatterns(expected.gradients))
    }
  }

  /// Behind an adapter of the last layer nothing is kept for a backward pass.
  @Test func backwardStopsAtTheEarliestAdapter() throws {
    let model = try model(Self.unet)
    let plain = Pass(model, try adapter("{targets: conv_out}", of: model), isAdapted: false)
    let last = Pass(model, try adapter("{targets: conv_out}", of: model))
    let first = Pass(model, try adapter("{targets: conv_in}", of: model))
    #expect(last.keptBuffers <= plain.keptBuffers + 4, "\(last.keptBuffers), \(plain.keptBuffers)")
    #expect(first.keptBuffers > last.keptBuffers + 50, "\(first.keptBuffers), \(last.keptBuffers)")
  }

  /// What is dropped depends on a sample's position in the step's batch, the step and the seed.
  @Test func dropoutFollowsThePosition() throws {
    let model = try model(Self.unet)
    let adapter = try adapter("{targets: conv_in, rank: 2}", of: model)
    func output(_ dropout: AdapterDropout?, samples: Int = 2) -> [Float] {
      Pass(model, adapter.dropping(dropout), samples: samples).output
    }
    func dropout(step: Int, _ samples: Range<Int>) -> AdapterDropout {
      AdapterDropout(
        probability: 0.4, samples: TrainingSamples(seed: 11, step: step, positions: samples))
    }
    let both = output(dropout(step: 2, 6..<8))
    // The first image's noise is the same in a batch of one.
    let first = Array(both.prefix(both.count / 2))
    #expect(bitPatterns(output(dropout(step: 2, 6..<7), samples: 1)) == bitPatterns(first))
    #expect(output(dropout(step: 3, 6..<8)) != both)
    #expect(output(nil) != both)
  }

  /// Models of ours, whose attention multiplies with its weights more than once, or whose convolutions standardise them.
  @Test(arguments: [
    "{kind: annotated-unet, dim: 8, dim_mults: [1, 2], channels: 2}",
    "{kind: dit, hidden_size: 16, depth: 2, heads: 2, patch_size: 2, image_size: 8, channels: 2}",
  ])
  func modelsOfOurs(yaml: String) throws {
    let model = try model(yaml)
    for kind in AdapterKind.allCases {
      let adapter = try adapter("{kind: \(kind.rawValue), rank: 2, targets: all}", of: model)
      let pass = Pass(model, adapter)
      #expect(pass.output != Pass(model, adapter, isAdapted: false).output)
      #expect(pass.gradients.contains { $0 != 0 } && pass.gradients.allSatisfy(\.isFinite))
    }
  }

  @Test(arguments: [
    ("{targets: to_p}", "no linear layer or convolution is named to_p; did you mean to_q?"),
    ("{targets: [to_q, resnets.0.conv9]}", "did you mean resnets.0.conv1?"),
    ("{targets: [to_q, all]}", "adapter.targets: all is a set of modules"),
    ("{targets: []}", "adapter.targets: is empty"),
    ("{rank: 0}", "adapter.rank"),
    ("{alpha: 0}", "adapter.alpha"),
    ("{kind: loha, dropout: 0.1}", "adapter.dropout: is for kind: lora"),
    ("{kind: dora}", "adapter.kind"),
  ])
  func settingsThatCannotBe(yaml: String, message: String) throws {
    let model = try model(Self.unet)
    let error = try #require(throws: SettingsError.self) { try adapter(yaml, of: model) }
    #expect(error.description.contains(message), "\(error)")
  }

  /// Ranks, alpha and names as peft has them.
  @Test func ranksAndNames() throws {
    let model = try model(Self.unet)
    let adapter = try adapter(
      "{rank: 2, alpha: 3, conv_rank: 5, targets: [mid_block.resnets.0.conv1, to_q, conv_shortcut]}",
      of: model)
    let shapes = Dictionary(
      uniqueKeysWithValues: adapter.parameters.fileTensors.map { ($0.name, $0.shape) })
    #expect(shapes["mid_block.resnets.0.conv1.lora_A.weight"] == [5, 8, 3, 3])
    #expect(shapes["mid_block.resnets.0.conv1.lora_B.weight"] == [8, 5, 1, 1])
    #expect(shapes["mid_block.attentions.0.to_q.lora_A.weight"] == [2, 8])
    #expect(shapes["up_blocks.1.resnets.0.conv_shortcut.lora_A.weight"]?.suffix(2) == [1, 1])
    #expect(adapter.modules.first { $0.name == "mid_block.resnets.0.conv1" }?.scale == 0.6)
  }
}
