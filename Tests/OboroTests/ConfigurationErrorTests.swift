import Foundation
import TestSupport
import Testing

/// Configurations that cannot be trained, told once and before anything is made.
@Suite struct ConfigurationErrorTests {
  /// Before anything is computed or written.
  @Test func whatNoHostHoldsIsAnError() throws {
    let trial = try Trial()
    for (settings, what) in [
      (["training.batch_size=16777216", "training.microbatches=65536"], "GB for images"),
      (["training.batch_size=1048576"], "backward pass needs"), (["model.dim=4096"], "GB for weights"),
    ] {
      expectFailure(
        try oboro(trial.arguments(settings), ranks: 2), 64, "of memory, and training takes", what,
        "each of its 2 ranks", "training.batch_size")
    }
    #expect(!exists(trial.run))
  }

  struct Mistake: CustomTestStringConvertible, Sendable {
    let settings: [String]
    let messages: [String]
    var ranks: Int? = 2
    var testDescription: String { settings.joined(separator: " ") }
  }

  static let mistakes = [
    Mistake(
      settings: ["model.dimm=3"],
      messages: ["--set model.dimm=3", "model.dimm: unknown key; did you mean \"dim\"?"]),
    Mistake(
      settings: ["training.learning_rate=3"],
      messages: ["training.learning_rate: unknown key; did you mean \"optimizer.learning_rate\"?"]),
    Mistake(
      settings: ["training.steps=many"],
      messages: ["training.steps: expected a whole number", "found many"]),
    Mistake(
      settings: ["model.dim_mults=[1, two]"], messages: ["model.dim_mults: expected a list", "found two"]),
    Mistake(
      settings: ["model.kind=null"], messages: ["model.kind: expected", "annotated-unet", "which network"]),
    Mistake(settings: ["model.kind=vit"], messages: ["model.kind: expected", "annotated-unet", "found vit"]),
    Mistake(
      settings: ["dataset.path=null"],
      messages: [
        "dataset.path: expected text (directory of a dataset that oboro prepare made), found nothing"
      ]),
    Mistake(
      settings: ["dataset.path="],
      messages: ["--set dataset.path=: dataset.path: expected text", "found nothing"]),
    Mistake(
      settings: ["training.batch_size=10"],
      messages: [
        "training.batch_size: 10 images cannot be cut into 4 equal micro-batches", "near it that can: 8, 12",
      ]),
    Mistake(
      settings: ["training.microbatches=8"],
      messages: [
        "8 micro-batches (training.microbatches) cannot be dealt evenly to 3 ranks", "would do: 1, 2, 4, 8",
      ],
      ranks: 3),
    Mistake(settings: ["training.steps"], messages: ["--set training.steps: expected KEY=VALUE"], ranks: nil),
    Mistake(settings: ["model=3"], messages: ["model: expected a section", "found 3"], ranks: nil),
    Mistake(
      settings: ["model.channels=3"],
      messages: ["/data: the model is made for images of 3 channels, these have 1: set model.channels to 1"]),
  ]

  @Test(arguments: mistakes) func mistakesAreNamed(mistake: Mistake) throws {
    let trial = try Trial()
    let run = try oboro(trial.arguments(mistake.settings), ranks: mistake.ranks)
    expectFailure(run, 64)
    for message in mistake.messages { #expect(run.errors.contains(message), "no \"\(message)\"\n\(run)") }
    #expect(!exists(trial.run))
  }

  @Test func imagesThatTheModelCannotHalveAreRefusedWithSizesThatWouldDo() throws {
    let trial = try Trial()
    let dataset = try Trial.path(of: Trial.oddDataset)
    expectFailure(
      try trial.train(ranks: 2, dataset: dataset), 64, "\(dataset): the model halves its images 1 times",
      "height 15 is not; 14 or 16 would do")
    #expect(!exists(trial.run))
  }

  @Test func mistakesInAFileHaveTheirLine() throws {
    let trial = try Trial()
    try (Trial.configuration + "dataset: {path: data}\noptimiser: {}\n")
      .write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    expectFailure(
      try trial.train(ranks: 2), 64,
      "\(trial.configuration):7: optimiser: unknown key; did you mean \"optimizer\"?")
    try "model: [".write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    expectFailure(try trial.train(), 64, "\(trial.configuration):", "is no YAML")
    unlink(trial.configuration)
    expectFailure(try trial.train(ranks: 2), 64, "\(trial.configuration): there is no such file")
    #expect(!exists(trial.run))
  }

  @Test(arguments: ["abc", "0", "", "-1", "5000"]) func threadsMustBeANumber(text: String) throws {
    let trial = try Trial()
    let run = try oboro(
      trial.arguments(), ranks: text == "abc" ? 2 : nil, environment: ["OBORO_THREADS": text])
    expectFailure(run, 64, "OBORO_THREADS must be 1 to 4096, is \"\(text)\"")
    #expect(!exists(trial.run))
  }

  @Test func usageErrorsAreToldOnce() throws {
    let trial = try Trial()
    expectFailure(
      try trial.train(ranks: 2, options: ["--threads", "0"]), 64, "--threads must be 1 to 4096, is 0")
    expectFailure(
      try oboro(["train", "--output", trial.run], ranks: 2), 64, "Missing expected argument '--config <file>'"
    )
    #expect(!exists(trial.run))
  }
}
