import Diffusion
import Generation
import Layers
import Models
import Tasks
import Tensors
import Testing

/// What a model is told of classes, in training and in sampling.
@Suite struct ClassTests {
  private let classes = ModelClasses(count: 10, dropout: 0.1)
  private let labels: [Int32] = (0..<4000).map { $0 % 11 == 10 ? -1 : $0 % 11 }

  @Test func labelsAreDroppedBySample() {
    let all = classes.trainingLabels(of: labels, seed: 3, step: 7, samples: 0..<4000)
    let kept = zip(all, labels).filter { $0.1 >= 0 }
    #expect(kept.allSatisfy { $0.0 == nil || $0.0 == Int($0.1) })
    #expect(zip(all, labels).allSatisfy { $0.1 >= 0 || $0.0 == nil })
    let dropped = Double(kept.filter { $0.0 == nil }.count) / Double(kept.count)
    #expect(abs(dropped - 0.1) < 0.02)
    // However a batch is divided.
    #expect(
      classes.trainingLabels(of: labels[100..<108], seed: 3, step: 7, samples: 100..<108)
        == Array(all[100..<108]))
    #expect(classes.trainingLabels(of: labels, seed: 3, step: 8, samples: 0..<4000) != all)
    #expect(classes.trainingLabels(of: labels, seed: 4, step: 7, samples: 0..<4000) != all)
  }

  @Test func withoutDropoutAllLabelsStay() {
    let told = ModelClasses(count: 10, dropout: 0).trainingLabels(
      of: labels, seed: 3, step: 7, samples: 0..<4000)
    #expect(told == labels.map { $0 < 0 ? nil : Int($0) })
  }

  /// A model of one class takes any dataset.
  @Test func theOnlyClassHoldsAll() {
    let told = ModelClasses(count: 1, dropout: 0).trainingLabels(
      of: [5, -1, 0], seed: 0, step: 0, samples: 0..<3)
    #expect(told == [0, 0, 0])
  }

  /// Predicts (class + 1) / 10 as the noise of every pixel, or 0 for images of no class.
  private struct ClassModel: Denoiser {
    let parameters = ParameterBuilder().layout
    let imageChannels = 1
    let predictionChannels = 1
    let imageSize = ImageSize.multiples(of: 1)
    var classes: ModelClasses?

    func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
      let output = x.tape.input(x.shape)
      let size = x.elements.count / conditioning.classes.count
      for index in output.elements.indices {
        output.elements[index] = Float(conditioning.classes[index / size].map { $0 + 1 } ?? 0) / 10
      }
      return output
    }
  }

  /// Images number 0..<6, of one pixel each, after the only step: x_0 is linear in the predicted noise.
  private func images(_ classes: SampleClasses, guidance: Double) throws -> [Float] {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 1))
    var options = SamplingOptions()
    options.guidance.scale = guidance
    return try ImageSampling(
      model: ClassModel(classes: ModelClasses(count: 3, dropout: 0.5)),
      sampler: SamplingLoop(SamplingPlan(process: process, options: options), seed: 1),
      weights: ParameterBuffer(count: 1), shape: [1, 1, 1], conditions: SampleConditions(classes: classes),
      engine: Engine(threadCount: 1)
    ).images(0..<6) { _, _, _ in }
  }

  /// The noise that the model must have predicted for each image, in tenths.
  private func predictions(_ classes: SampleClasses, guidance: Double) throws -> [Float] {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 1))
    let none = try ImageSampling(
      model: ClassModel(classes: nil), sampler: SamplingLoop(SamplingPlan(process: process), seed: 1),
      weights: ParameterBuffer(count: 1), shape: [1, 1, 1], engine: Engine(threadCount: 1)
    ).images(0..<6) { _, _, _ in }
    let beta = Float(process.schedule.betas[0])
    // x_0 = (x - β ε / sqrt(1 - ᾱ)) / sqrt(1 - β), and ᾱ = 1 - β.
    return try zip(none, images(classes, guidance: guidance)).map {
      ($0 - $1) * (1 - beta).squareRoot() / beta.squareRoot() * 10
    }
  }

  @Test(
    arguments: [
      (SampleClasses(), 1, [1, 2, 3, 1, 2, 3]), (SampleClasses(.one(2)), 1, [3, 3, 3, 3, 3, 3]),
      (SampleClasses(.each(images: 2)), 1, [1, 1, 2, 2, 3, 3]),
      (SampleClasses(.inTurn), 3, [3, 6, 9, 3, 6, 9]), (SampleClasses(.one(1)), 0, [0, 0, 0, 0, 0, 0]),
    ] as [(SampleClasses, Double, [Float])])
  func everyImageIsOfItsClass(classes: SampleClasses, guidance: Double, expected: [Float]) throws {
    let found = try predictions(classes, guidance: guidance)
    #expect(found.count == expected.count)
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-2) }
  }

  @Test func whatAModelCannotDrawIsRefused() throws {
    let model = ClassModel(classes: ModelClasses(count: 3, dropout: 0))
    let without = ClassModel(classes: nil)
    try SampleClasses().check(without, guidance: 1)
    try SampleClasses(.one(2)).check(model, guidance: 1)
    for (classes, guidance, model, fragment) in [
      (SampleClasses(.one(0)), 1, without, "the model knows no classes"),
      (SampleClasses(), 2, without, "the model knows no classes"),
      (SampleClasses(.one(3)), 1, model, "classes 0 to 2"),
      (SampleClasses(), 2, model, "model.class_dropout is 0"),
    ] as [(SampleClasses, Double, ClassModel, String)] {
      let error = try #require(throws: ModelError.self) { try classes.check(model, guidance: guidance) }
      #expect(error.description.contains(fragment), "\(error)")
    }
  }
}
