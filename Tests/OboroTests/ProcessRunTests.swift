import Foundation
import Safetensors
import TestSupport
import Testing

/// Runs of every diffusion process, with their averages, learning rates and samplers.
@Suite struct ProcessRunTests {
  private static let runs = [
    [
      "diffusion={process: edm}", "ema.profile=power", "ema.widths=[0.1, 0.05]",
      "sampling.steps=3", "optimizer.schedule=inverse-square-root", "optimizer.warmup_steps=2",
    ],
    [
      "diffusion.process=flow", "diffusion.loss=l2", "diffusion.time_distribution=logit-normal",
      "ema.further_decays=[0.5, 0.9]", "sampling.steps=3", "optimizer.schedule=cosine",
    ],
    [
      "diffusion.prediction=v", "diffusion.zero_terminal_snr=true", "diffusion.weighting=min-snr",
      "diffusion.offset_noise=0.1", "ema.profile=warmup", "sampling.sampler=dpm++-2m", "sampling.steps=3",
      "sampling.clip=dynamic",
    ],
  ]

  /// Ranks, threads and a stop in the middle.
  @Test(arguments: runs) func ranksThreadsAndStopsChangeNothing(settings: [String]) throws {
    let reference = try Trial()
    try reference.trainToEnd(settings: settings)
    let expected = try reference.record
    #expect(expected.metrics.count == 8)
    #expect(try expected.column("loss").allSatisfy { $0.isFinite })
    let shared = try Trial()
    try shared.trainToEnd(settings: settings, ranks: 2)
    try shared.record.expectSame(as: expected)
    // A learning rate that depends on the number of steps is another one before the stop.
    guard !settings.contains("optimizer.schedule=cosine") else { return }
    let stopped = try Trial()
    try stopped.trainToEnd("training.steps=3", "sampling.every=0", settings: settings, ranks: 4)
    try stopped.trainToEnd(settings: settings, ranks: 1, threads: 2)
    for name in ["model.h5", "optimizer-00000-of-00001.h5"] {
      let (own, other) = (
        try content("\(stopped.checkpoint(8))/\(name)"), try content("\(reference.checkpoint(8))/\(name)")
      )
      #expect(own == other, "\(name)")
    }
  }

  /// Short linear schedules leave some of the image at their end.
  @Test func remainingSignalIsWarnedOf() throws {
    for (settings, isWarned) in [
      (["diffusion.timesteps=300"], true), (["diffusion.timesteps=1000"], false),
      (["diffusion.timesteps=300", "diffusion.schedule=cosine"], false), (["diffusion.process=flow"], false),
    ] {
      let trial = try Trial()
      try trial.trainToEnd("training.steps=1", "sampling.every=0", settings: settings)
      #expect(trial.log.contains("of the image (√ᾱ_T)") == isWarned, "\(settings): \(trial.log)")
    }
  }

  @Test func stepsThatTheLearningRateDependsOnAreNotChangedSilently() throws {
    let trial = try Trial()
    let settings = ["optimizer.schedule=linear", "sampling.every=0"]
    try trial.trainToEnd("training.steps=2", settings: settings)
    let more = try oboro(trial.arguments(settings))
    #expect(more.exitStatus == 64 && more.errors.contains("training.steps: 2, now 8"), "\(more)")
    let allowed = try oboro(trial.arguments(settings) + ["--allow-changes"])
    #expect(allowed.exitStatus == 0, "\(allowed)")
  }

  /// A width that the run has tracked comes back as it was; another is another average.
  @Test func averagesOfAnyWidthAreReconstructed() throws {
    let trial = try Trial()
    try trial.trainToEnd("ema.profile=power", "ema.widths=[0.1, 0.05]", "sampling.every=0")
    func tensor(_ arguments: String...) throws -> [Float] {
      let file = "\(trial.path)/weights.safetensors"
      let run = try oboro([arguments[0], trial.run] + arguments.dropFirst().map { $0 == "FILE" ? file : $0 })
      try #require(run.exitStatus == 0, "\(run)")
      return try SafetensorsFile(path: file).floats("init_conv.weight")
    }
    let tracked = try tensor("convert", "FILE", "--weights", "ema")
    let again = try tensor("average", "--width", "0.1", "--output", "FILE")
    let other = try tensor("average", "--width", "0.07", "--output", "FILE")
    #expect(zip(tracked, again).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(zip(tracked, other).contains { abs($0 - $1) > 1e-4 })

    let plain = try Trial()
    try plain.trainToEnd("training.steps=2", "sampling.every=0")
    expectFailure(
      try oboro(["average", plain.run, "--width", "0.1", "--output", "\(plain.path)/a.safetensors"]), 65,
      "ema.profile: power")
  }

  @Test func everySamplerDraws() throws {
    let trial = try Trial()
    try trial.trainToEnd("sampling.every=0", "ema.further_decays=[0.5]")
    func sample(_ options: String...) throws -> ProcessRun {
      try oboro(
        ["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/samples", "--count", "2"] + options)
    }
    var grids: Set<Data> = []
    let samplers = [
      "ddpm", "ddim", "euler", "euler-ancestral", "heun", "dpm++-2m", "dpm++-2m-sde", "unipc",
    ]
    for sampler in samplers {
      let run = try sample("--sampler", sampler, "--steps", "4")
      try #require(run.exitStatus == 0, "\(run)")
      grids.insert(try content("\(trial.path)/samples/grid.png"))
    }
    #expect(grids.count > 5)
    for weights in ["model", "ema-0.5"] {
      let run = try sample("--weights", weights, "--steps", "4")
      #expect(run.exitStatus == 0, "\(run)")
    }
    for (options, status, message) in [
      (["--weights", "ema-0.7"], 65, "holds no weights named ema-0.7; it has ema, ema-0.5, model"),
      (["--set", "sampling.eta=0.5"], 64, "is ddim's"),
      (["--set", "training.steps=3"], 64, "only keys of sampling"),
      (["--sampler", "ancestral"], 64, "dpm++-2m"),
      (["--guidance", "2"], 64, "knows no classes"),
    ] as [([String], Int32, String)] {
      let run = try oboro(
        ["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/samples"] + options)
      #expect(run.exitStatus == status && run.errors.contains(message), "\(options): \(run)")
    }
  }
}
