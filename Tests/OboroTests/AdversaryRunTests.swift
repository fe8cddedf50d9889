import Foundation
import HDF5
import NumericsTestSupport
import TestSupport
import Testing

/// An autoencoder that is trained against a discriminator, and by LPIPS.
@Suite struct AdversaryRunTests {
  private static let configuration =
    AutoencoderRunTests.configuration + """
      discriminator: {start: 3, weight: 0.4, width: 4, layers: 1, norm_num_groups: 2,
        optimizer: {learning_rate: 2.0e-3, betas: [0.5, 0.9], warmup_steps: 2, clip_norm: 0.5}}

      """

  private static func made(_ more: String = "") throws -> Trial {
    let trial = try Trial()
    try (configuration + more).write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    return trial
  }

  private static let trained = Result {
    let trial = try made()
    try trial.trainToEnd()
    return trial
  }

  @Test func ranksThreadsAndStopsChangeNothing() throws {
    let reference = try Self.trained.get()
    let expected = try reference.record
    for (ranks, threads) in [(2, 1), (4, 1), (1, 3)] {
      let trial = try Self.made()
      try trial.trainToEnd(ranks: ranks, threads: threads)
      try trial.record.expectSame(as: expected)
    }
    // Before the discriminator's first step, and after it.
    for stop in [2, 5] {
      let stopped = try Self.made()
      try stopped.trainToEnd(
        "training.steps=\(stop)", "sampling.every=0", "training.recompute=true", "training.bucket_bytes=1000",
        ranks: 2)
      try stopped.trainToEnd(ranks: 4, options: ["--allow-changes"])
      for name in ["model.h5", "optimizer-00000-of-00001.h5"] {
        #expect(
          try content("\(stopped.checkpoint(8))/\(name)") == content("\(reference.checkpoint(8))/\(name)"),
          "\(name)")
      }
    }
  }

  private func floats(_ trial: Trial, _ step: Int, _ file: String, _ name: String) throws -> [Float] {
    try HDF5.File(opening: "\(trial.checkpoint(step))/\(file)").root.dataset(name).read(as: Float.self)
  }

  /// Until its first step the discriminator is what it was made as; with its own optimiser it moves from there on.
  @Test func theDiscriminatorBeginsWhereItIsToldTo() throws {
    let trial = try Self.trained.get()
    func weights(_ step: Int) throws -> [Float] {
      try floats(trial, step, "model.h5", "model/discriminator.main.0.weight")
    }
    func moments(_ step: Int) throws -> [Float] {
      try floats(trial, step, "optimizer-00000-of-00001.h5", "exp_avg_sq/discriminator.main.0.weight")
    }
    #expect(try moments(2).allSatisfy { $0 == 0 } && moments(4).contains { $0 > 0 })
    #expect(try weights(2) != weights(4) && weights(4) != weights(8))
    let lines = text("\(trial.run)/metrics.jsonl").split(separator: "\n")
    let factors = try lines.map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return try #require(object?["loss_adversary_weight"] as? Double)
    }
    #expect(factors.prefix(3).allSatisfy { $0 == 0 } && factors.dropFirst(3).allSatisfy { $0 > 0 })
  }

  /// What reads an autoencoder passes over the discriminator.
  @Test func theAutoencoderIsReadWithoutIt() throws {
    let trial = try Self.trained.get()
    for arguments in [
      [
        "encode", "--autoencoder", trial.run, "--dataset", try Trial.path(), "--output",
        "\(trial.path)/latents",
      ],
      ["convert", trial.run, "\(trial.path)/first.safetensors"],
      ["convert", trial.run, "\(trial.path)/folder", "--format", "diffusers"],
      ["evaluate", "--checkpoint", trial.run, "--dataset", try Trial.path(), "--count", "4", "--json"],
    ] {
      let run = try oboro(arguments)
      #expect(run.exitStatus == 0, "\(run)")
    }
    // Another run begins from it, with a discriminator of its own.
    let next = try Self.made("base: \(trial.run)\n")
    try next.trainToEnd("training.steps=1", "sampling.every=0")
  }

  @Test func reconstructionsAreComparedByLPIPS() throws {
    let path = Fixture.url("adversary/lpips/grey-lpips-alone.safetensors").path
    let more = ["autoencoder.perceptual_path=\(path)", "autoencoder.perceptual_weight=0.5"]
    let reference = try Self.made()
    try reference.trainToEnd(settings: more)
    let shared = try Self.made()
    try shared.trainToEnd(settings: more, ranks: 2)
    try shared.record.expectSame(as: reference.record)
    #expect(try reference.record.column("loss")[0] > Self.trained.get().record.column("loss")[0])
    // Other weights are refused.
    let other = Fixture.url("adversary/lpips/grouped-with-lpips.safetensors").path
    expectFailure(
      try shared.train(
        "autoencoder.perceptual_path=\(other)", "autoencoder.perceptual_weight=0.5", "training.steps=9"), 65,
      "was trained with other weights of LPIPS")
  }

  @Test func whatCannotBeIsSaid() throws {
    let trial = try Self.made()
    expectFailure(
      try trial.train("discriminator.start=-1"), 64, "discriminator.start: expected")
    expectFailure(
      try trial.train("discriminator.norm_num_groups=3"), 64,
      "discriminator.norm_num_groups: 3 groups do not divide the 8 channels")
    expectFailure(
      try trial.train("discriminator.layers=4"), 64,
      "the discriminator sees no patch of images whose height is 16")
    expectFailure(
      try trial.train("autoencoder.perceptual_path=\(trial.configuration)"), 65, trial.configuration)
    expectFailure(
      try trial.train("discriminator.optimizer.learning_rat=1"), 64, "did you mean \"learning_rate\"")
  }
}
