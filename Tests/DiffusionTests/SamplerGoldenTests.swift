import Diffusion
import Foundation
import Kernels
import NumericsTestSupport
import Settings
import Testing

/// Against diffusers' schedulers, built from the same configuration, from the same start, with the same noise.
@Suite struct SamplerGoldenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let steps: Int
    let config: SettingsNode
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    guard let text = try? String(contentsOf: Fixture.url("samplers.json"), encoding: .utf8),
      let node = try? SettingsNode(yaml: text, source: "samplers.json"),
      case .section(let entries) = node.content
    else { return [] }
    return entries.compactMap { entry in
      guard let config = entry.node["config"], let steps = entry.node["steps"],
        case .scalar(let scalar) = steps.content, let number = Int(scalar.text)
      else { return nil }
      return Case(name: entry.key, steps: number, config: config)
    }
  }()

  @Test func allCasesAreRead() { #expect(Self.cases.count == 259) }

  /// What `samplers.py` takes for a network.
  private static func model(_ x: UnsafeBufferPointer<Float>, _ timestep: Float) -> [Float] {
    x.indices.map { index in
      let value = Double(x[index])
      return Float(
        0.3 * value + 0.5 * sin(3 * value + Double(index % 48)) * cos(Double(timestep) / 300))
    }
  }

  @Test(arguments: cases) func finalImagesAreDiffusers(_ golden: Case) throws {
    let file = try Fixture.safetensors("samplers")
    let scheduler = try SchedulerConfiguration(golden.config)
    let parts = golden.name.split(separator: "/").map(String.init)
    let sampler = try #require(SamplerKind(rawValue: parts[0]))
    #expect(scheduler.sampler == sampler && scheduler.prediction.rawValue == parts[1])
    var options = SamplingOptions(steps: golden.steps)
    options.eta = parts[3] == "eta" ? 0.7 : 0
    let plan = try SamplingPlan(process: DDPMProcess(scheduler), options: options, scheduler: scheduler)
    #expect(plan.sampler == sampler && plan.steps == golden.steps)
    #expect(plan.evaluations.count == (sampler == .heun ? 2 * golden.steps - 1 : golden.steps))
    var loop = SamplingLoop(plan, seed: 0)
    let noise = try file.floats("noise")
    loop.stepNoise = { Array(noise[$0 * 96..<($0 + 1) * 96]) }
    let images = try loop.sample(
      shape: [4, 4, 3], samples: 0..<2, threads: ThreadPool(threadCount: 1),
      start: .latents(try file.floats("latents"))
    ) { x, timestep, _ in Self.model(x, timestep) }
    let error = relativeError(of: images, from: try file.floats("final/\(golden.name)"))
    #expect(error < 1e-4, "\(golden.name): \(error)")
  }

  /// Reading and writing a configuration changes nothing of what its class has.
  @Test(arguments: cases) func configurationsComeBack(_ golden: Case) throws {
    let scheduler = try SchedulerConfiguration(golden.config)
    let written = try SettingsNode(yaml: scheduler.json(), source: "written")
    guard case .section(let entries) = written.content else {
      Issue.record("no dictionary")
      return
    }
    #expect(entries.count > 8 && entries.contains { $0.key == "_class_name" })
    for entry in entries {
      let original = try #require(golden.config[entry.key], "\(entry.key) is new")
      #expect(entry.node == original, "\(entry.key)")
    }
    // Whatever diffusers has, but its version and the keys of other classes.
    guard case .section(let given) = golden.config.content else { return }
    let others: Set = ["_diffusers_version", "clip_sample", "clip_sample_range", "set_alpha_to_one"]
    for entry in given where !others.contains(entry.key) {
      #expect(written[entry.key] != nil, "\(entry.key) is lost")
    }
    #expect(
      try SchedulerConfiguration(json: scheduler.json(), source: "written").schedule == scheduler.schedule)
  }
}
