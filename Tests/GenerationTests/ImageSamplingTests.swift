import Diffusion
import Generation
import Kernels
import Layers
import Models
import Tensors
import Testing

@Suite struct ImageSamplingTests {
  /// Predicts that the noise is half of what it sees.
  private struct HalfModel: Denoiser {
    let parameters = ParameterBuilder().layout
    let imageChannels = 1
    let predictionChannels = 1
    let imageSize = ImageSize.multiples(of: 1)

    func callAsFunction(_ x: Tensor, timesteps: [Float], conditioning: Conditioning) -> Tensor {
      for index in x.elements.indices { x.elements[index] *= 0.5 }
      return x
    }
  }

  private func sampling(steps: Int? = nil, seed: UInt64 = 1) throws -> ImageSampling {
    let process = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 6))
    return try ImageSampling(
      model: HalfModel(),
      sampler: SamplingLoop(
        SamplingPlan(process: process, options: SamplingOptions(steps: steps)), seed: seed),
      weights: ParameterBuffer(count: 1), shape: [3, 2, 1], engine: Engine(threadCount: 2))
  }

  /// More than go through the model together, and cut at other places.
  @Test func imagesDependOnTheirNumberAlone() throws {
    let all = try sampling().images(0..<70) { _, _, _ in }
    #expect(all.count == 70 * 6 && Set(all).count > 400)
    for part in [0..<1, 10..<50, 33..<70] {
      let images = try sampling().images(part) { _, _, _ in }
      #expect(images == Array(all[part.lowerBound * 6..<part.upperBound * 6]))
    }
    #expect(try sampling(seed: 2).images(0..<1) { _, _, _ in } != Array(all[..<6]))
  }

  @Test func progressCountsEveryStepOfEveryImage() throws {
    var calls: [Int] = []
    let sampling = try sampling(steps: 2)
    _ = sampling.images(5..<75) { done, pass, images in
      calls.append(done)
      #expect(images.count == 6 * pass.count)
    }
    #expect(sampling.steps == 2)
    #expect(calls == [32, 64, 96, 128, 134, 140])
  }

  @Test(arguments: [(1, 1), (36, 5), (3, 8), (70, 4)]) func ranksShareTheImages(count: Int, worldSize: Int) {
    let parts = (0..<worldSize).map { ImageSampling.part(of: count, rank: $0, worldSize: worldSize) }
    #expect(parts.flatMap { Array($0) } == Array(0..<count))
    #expect(parts.map(\.count).max().map { $0 <= (count + worldSize - 1) / worldSize } == true)
  }

  @Test func picturesHaveTheImagesShape() throws {
    let images: [Float] = [-1, 1, 0, -2, 2, 0.5, 0, 0, 0, 0, 0, 0]
    let pictures = try sampling().pictures(images)
    #expect(pictures.count == 2)
    #expect((pictures[0].width, pictures[0].height, pictures[0].channels) == (2, 3, 1))
    #expect(pictures[0].samples == [0, 255, 128, 0, 255, 191])
    // Each enlarged until its longer side has 64 pixels.
    let grid = try sampling().grid(images)
    #expect((grid.width, grid.height) == (2 * (2 * 22 + 2) + 2, 3 * 22 + 4))
  }
}
