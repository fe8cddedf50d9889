import Checkpoints
import Configuration
import Kernels
import Settings
import Tensors
import Testing
import Training
import TrainingTestSupport

@Suite struct OptimizerTests {
  private func optimizer(_ settings: [String]) throws -> Optimizer {
    let base: SettingsNode = [
      "dataset": ["path": "data"],
      "model": ["kind": "annotated-unet", "dim": 8, "dim_mults": [1, 2], "channels": 1],
    ]
    let configuration = try TrainingConfiguration(base.applying(overrides: settings))
    return Optimizer(
      configuration.optimizer, averages: configuration.ema, layout: configuration.model.parameters)
  }

  /// Adam in double precision, as Kingma and Ba's algorithm 1 has it, with AdamW's decay and a moving average.
  private struct Model {
    var weight: Double
    var ema: Double
    var first = 0.0
    var second = 0.0

    mutating func update(
      _ gradient: Double, step: Int, rate: Double, decay: Double, isDecoupled: Bool, emaDecay: Double
    ) {
      let g = isDecoupled ? gradient : gradient + decay * weight
      first = 0.8 * first + 0.2 * g
      second = 0.95 * second + 0.05 * g * g
      let (power1, power2) = (power(0.8, step), power(0.95, step))
      if isDecoupled { weight -= rate * decay * weight }
      weight -= rate * (first / (1 - power1)) / ((second / (1 - power2)).squareRoot() + 1e-6)
      ema = emaDecay * ema + (1 - emaDecay) * weight
    }

    private func power(_ base: Double, _ exponent: Int) -> Double {
      (0..<exponent).reduce(1) { value, _ in value * base }
    }
  }

  @Test(arguments: [
    ["optimizer.kind=adam"],
    ["optimizer.kind=adam", "optimizer.weight_decay=0.1", "optimizer.decay_vectors=true"],
    ["optimizer.kind=adamw", "optimizer.weight_decay=0.1", "optimizer.decay_vectors=true"],
    ["optimizer.warmup_steps=3"],
    ["optimizer.clip_norm=0.5"],
  ]) func itFollowsTheArticle(settings: [String]) throws {
    let optimizer = try optimizer(
      settings + [
        "optimizer.betas=[0.8, 0.95]", "optimizer.eps=1e-6", "optimizer.learning_rate=0.01",
        "ema.decay=0.9",
      ])
    let start = try state(step: 0, scale: 1e-3)
    for memory in [start[.firstMoment], start[.secondMoment]] { memory.clear() }
    let watched = [0, 5, start.layout.parameters[3].offset + 2]
    var models = watched.map {
      Model(weight: Double(start.weights.pointer[$0]), ema: Double(start[.ema].pointer[$0]))
    }
    // Two parts, as a rank may have them.
    let state = ShardedState(start, parts: [0..<3, 3..<start.layout.flatCount])
    let gradient = ParameterBuffer(count: state.layout.flatCount)
    let threads = ThreadPool(threadCount: 2)
    for step in 1...4 {
      // The sum over 4 micro-batches; its mean has a norm of 2.
      for index in 0..<gradient.count { gradient.pointer[index] = 0 }
      for (place, index) in watched.enumerated() { gradient.pointer[index] = Float(4 * (place + step)) * 0.1 }
      optimizer.update(state, gradient: gradient, microbatches: 4, norms: [2], threads: threads)
      #expect(state.step == step)
      let all = whole(state)
      for (place, index) in watched.enumerated() {
        let clipping = settings.contains("optimizer.clip_norm=0.5") ? 0.25 : 1
        let rate = settings.contains("optimizer.warmup_steps=3") ? 0.01 * min(1, Double(step) / 3) : 0.01
        let decay = settings.contains("optimizer.weight_decay=0.1") ? 0.1 : 0
        models[place].update(
          Double(place + step) * 0.1 * clipping, step: step, rate: rate, decay: decay,
          isDecoupled: settings.contains("optimizer.kind=adamw"), emaDecay: 0.9)
        for (memory, expected) in [
          (all.weights, models[place].weight), (all[.ema], models[place].ema),
          (all[.firstMoment], models[place].first), (all[.secondMoment], models[place].second),
        ] {
          #expect(abs(Double(memory.pointer[index]) - expected) < 1e-5 * abs(expected) + 1e-7, "step \(step)")
        }
      }
    }
  }

  @Test func gradientsShorterThanTheLimitAreLeftAlone() throws {
    var results: [[[UInt32]]] = []
    for settings in [[], ["optimizer.clip_norm=2"]] {
      let state = onlyRank(try state(step: 0, scale: 1e-3))
      let gradient = ParameterBuffer(count: state.layout.flatCount)
      for index in 0..<gradient.count { gradient.pointer[index] = Float(index % 7) - 3 }
      try optimizer(settings).update(
        state, gradient: gradient, microbatches: 2, norms: [2], threads: ThreadPool(threadCount: 1))
      results.append(bits(whole(state)))
    }
    #expect(results[0] == results[1])
  }

  /// Without a gradient nothing but the decay moves a weight, and vectors do not decay unless they are told to.
  @Test(arguments: [false, true]) func biasesAndNormalisationsDecayIfAsked(decaysVectors: Bool) throws {
    let start = try state(step: 0, scale: 1e-3)
    for memory in [start[.firstMoment], start[.secondMoment]] { memory.clear() }
    let state = onlyRank(start)
    let rule = try optimizer([
      "optimizer.kind=adamw", "optimizer.weight_decay=0.5", "optimizer.learning_rate=0.1",
      "optimizer.decay_vectors=\(decaysVectors)",
    ])
    rule.update(
      state, gradient: ParameterBuffer(count: start.layout.flatCount), microbatches: 1, norms: [0],
      threads: ThreadPool(threadCount: 2))
    var kinds: Set<Bool> = []
    for parameter in start.layout.trained {
      kinds.insert(parameter.isVector)
      let decays = decaysVectors || !parameter.isVector
      for index in [parameter.offset, parameter.offset + parameter.count - 1] {
        let before = start.weights.pointer[index]
        let after = state.weights.pointer[index]
        #expect(abs(after - before * (decays ? 0.95 : 1)) <= 1e-6 * abs(before), "\(parameter.name)")
      }
    }
    #expect(kinds == [false, true])
  }

  /// What a rank has no part of stays as it is.
  @Test func otherPartsAreLeftAlone() throws {
    let start = try state(step: 0, scale: 1e-3)
    let gradient = ParameterBuffer(count: start.layout.flatCount)
    for index in 0..<gradient.count { gradient.pointer[index] = Float(index % 7) - 3 }
    let parts = [16..<100, 5000..<9000]
    let (all, own) = (onlyRank(start), ShardedState(start, parts: parts))
    for state in [all, own] {
      try optimizer(["optimizer.kind=adamw", "optimizer.weight_decay=0.1"]).update(
        state, gradient: gradient, microbatches: 2, norms: [2], threads: ThreadPool(threadCount: 2))
    }
    for index in 0..<gradient.count {
      let expected = parts.contains { $0.contains(index) } ? all.weights : start.weights
      #expect(own.weights.pointer[index].bitPattern == expected.pointer[index].bitPattern)
    }
    let (updated, mine) = (bits(whole(all)), bits(whole(own)))
    for part in parts {
      for (updated, mine) in zip(updated, mine) { #expect(updated[part] == mine[part]) }
    }
  }

  /// Which of several averages is the first decides what samples are drawn with, and no bit of any.
  @Test(
    arguments: [
      ["kind": "annotated-unet", "dim": 8, "dim_mults": [1, 2], "channels": 1],
      // Batch normalisation's running averages and counters are averaged in ways of their own.
      ["kind": "conditional-unet", "channels": 1, "width": 8, "classes": 2],
    ] as [SettingsNode]) func averagesAreIndependentOfTheirOrder(model: SettingsNode) throws
  {
    func averages(_ settings: [String]) throws -> (StateSchema, ShardedState) {
      let node: SettingsNode = ["dataset": ["path": "data"], "model": model]
      let configuration = try TrainingConfiguration(node.applying(overrides: settings))
      let layout = configuration.model.parameters
      let schema = StateSchema(configuration.ema)
      let state = ShardedState(
        layout: layout, seed: 3, parts: [0..<100, 100..<layout.flatCount], schema: schema)
      let optimizer = Optimizer(configuration.optimizer, averages: configuration.ema, layout: layout)
      let threads = ThreadPool(threadCount: 2)
      let gradient = ParameterBuffer(count: layout.flatCount)
      for step in 0..<3 {
        for index in 0..<gradient.count { gradient.pointer[index] = Float((index + step) % 7) - 3 }
        optimizer.update(state, gradient: gradient, microbatches: 2, norms: [2], threads: threads)
        optimizer.followWithFurtherAverages(state, threads: threads)
      }
      return (schema, state)
    }
    let (names, one) = try averages(["ema.decay=0.9", "ema.further_decays=[0.5]"])
    let (otherNames, other) = try averages(["ema.decay=0.5", "ema.further_decays=[0.9]"])
    #expect(names.averages == ["ema", "ema-0.5"] && otherNames.averages == ["ema", "ema-0.9"])
    let (a, b) = (whole(one), whole(other))
    func bits(_ memory: ParameterBuffer) -> [UInt32] { memory.elements.map(\.bitPattern) }
    #expect(bits(a.weights) == bits(b.weights))
    #expect(bits(a[.ema]) == bits(b[.average("ema-0.9")]))
    #expect(bits(a[.average("ema-0.5")]) == bits(b[.ema]))
    #expect(bits(a[.ema]) != bits(b[.ema]))
  }

  /// An average that decays at once is the weights: not to keep it changes nothing else.
  @Test func noAverageIsLikeOneThatDecaysAtOnce() throws {
    let layout = try state(step: 0, scale: 1e-3).layout
    let gradient = ParameterBuffer(count: layout.flatCount)
    for index in 0..<gradient.count { gradient.pointer[index] = Float(index % 7) - 3 }
    let states = [true, false].map {
      ShardedState(layout: layout, seed: 3, parts: [0..<layout.flatCount], keepsEMA: $0)
    }
    for state in states {
      let optimizer = try optimizer(["ema.decay=0"])
      for _ in 0..<2 {
        optimizer.update(
          state, gradient: gradient, microbatches: 2, norms: [2], threads: ThreadPool(threadCount: 1))
      }
    }
    #expect(bits(whole(states[0])) == bits(whole(states[1])))
  }

  /// Groups of parameters have settings, norms and first steps of their own; each is moved as by an optimiser of its own.
  @Test func groupsHaveOptimisersOfTheirOwn() throws {
    let layout = try state(step: 0, scale: 1e-3).layout
    let border = layout.parameters[layout.parameters.count / 2].offset
    func settings(_ settings: [String]) throws -> TrainingConfiguration {
      let base: SettingsNode = [
        "dataset": ["path": "data"],
        "model": ["kind": "annotated-unet", "dim": 8, "dim_mults": [1, 2], "channels": 1],
      ]
      return try TrainingConfiguration(base.applying(overrides: settings + ["ema.decay=0.5"]))
    }
    let first = try settings(["optimizer.learning_rate=0.01"])
    let second = try settings([
      "optimizer.learning_rate=0.03", "optimizer.betas=[0.5, 0.9]", "optimizer.clip_norm=0.5",
      "optimizer.warmup_steps=3",
    ])
    let threads = ThreadPool(threadCount: 2)
    let gradient = ParameterBuffer(count: layout.flatCount)
    func fill(_ step: Int) {
      for index in 0..<gradient.count { gradient.pointer[index] = Float((index + step) % 7) - 3 }
    }
    func made(_ parts: [Range<Int>]) -> ShardedState { ShardedState(layout: layout, seed: 3, parts: parts) }
    let start = 2
    let both = made([0..<border - 16, border - 16..<layout.flatCount])
    let grouped = Optimizer(
      [
        OptimizerGroup(first.optimizer, range: 0..<border),
        OptimizerGroup(second.optimizer, range: border..<layout.flatCount, start: start),
      ], averages: first.ema, layout: layout)
    let (one, other) = (made([0..<layout.flatCount]), made([0..<layout.flatCount]))
    for step in 0..<5 {
      fill(step)
      grouped.update(both, gradient: gradient, microbatches: 2, norms: [7, 5], threads: threads)
      Optimizer(first.optimizer, averages: first.ema, layout: layout)
        .update(one, gradient: gradient, microbatches: 2, norms: [7], threads: threads)
      guard step >= start else { continue }
      Optimizer(second.optimizer, averages: first.ema, layout: layout)
        .update(other, gradient: gradient, microbatches: 2, norms: [5], threads: threads)
    }
    #expect(both.step == 5 && other.step == 3)
    let (found, before, behind) = (memories(whole(both)), memories(whole(one)), memories(whole(other)))
    for (memory, (before, behind)) in zip(found, zip(before, behind)) {
      #expect(memory.elements[..<border].map(\.bitPattern) == before.elements[..<border].map(\.bitPattern))
      #expect(memory.elements[border...].map(\.bitPattern) == behind.elements[border...].map(\.bitPattern))
    }
  }

  @Test func theLearningRateWarmsUp() throws {
    let plain = try optimizer(["optimizer.learning_rate=0.5"])
    #expect([1, 2, 1000].map(plain.learningRate(step:)) == [0.5, 0.5, 0.5])
    let warming = try optimizer(["optimizer.learning_rate=0.5", "optimizer.warmup_steps=4"])
    #expect([1, 2, 3, 4, 5].map(warming.learningRate(step:)) == [0.125, 0.25, 0.375, 0.5, 0.5])
  }
}
