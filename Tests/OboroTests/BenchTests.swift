import Foundation
import TestSupport
import Testing

/// `oboro bench`, as scripts call it: without any dataset.
@Suite struct BenchTests {
  private static let keys: Set = [
    "images_per_second", "step_seconds", "flops_per_image", "peak_resident_bytes", "ranks", "threads",
    "parameters", "precision", "communication_wait_seconds", "communication_exposed_seconds",
  ]

  private func object(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String:
    Any]
  {
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
    return try #require(object as? [String: Any], sourceLocation: sourceLocation)
  }

  /// What the model is, by `oboro inspect`: of images of the size that `bench` takes for this configuration.
  private func model(_ trial: Trial, size: String = "32x32") throws -> [String: Any] {
    let path = "\(trial.path)/complete.yaml"
    try (Trial.configuration + "dataset: {path: data}\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    let run = try oboro(["inspect", "--json", path, "--size", size])
    try #require(run.exitStatus == 0, "\(run)")
    return try #require(object(run.output)["model"] as? [String: Any])
  }

  @Test(arguments: [(nil, 1), (nil, 2), (2, 1)] as [(Int?, Int)])
  func stepsAreMeasured(ranks: Int?, threads: Int) throws {
    let trial = try Trial()
    let run = try oboro(
      [
        "bench", "step", "--config", trial.configuration, "--steps", "3", "--json", "--threads", "\(threads)",
      ],
      ranks: ranks)
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let result = try object(run.output)
    #expect(Set(result.keys) == Self.keys)
    let seconds = try #require(result["step_seconds"] as? Double)
    let speed = try #require(result["images_per_second"] as? Double)
    #expect(seconds > 0 && abs(speed * seconds - 8) < 1e-6)
    #expect(result["ranks"] as? Int == ranks ?? 1)
    #expect(result["threads"] as? Int == threads)
    let model = try model(trial)
    #expect(result["flops_per_image"] as? Int == model["flops"] as? Int)
    #expect(result["parameters"] as? Int == model["parameters"] as? Int)
    let memory = try #require(result["peak_resident_bytes"] as? Int)
    #expect(memory > 1_000_000 && memory < 1_000_000_000)
  }

  /// A denoiser that attends to text, with guidance: each evaluation is of two passes through the network.
  @Test func samplingIsMeasured() throws {
    let trial = try Trial()
    let model =
      "{kind: unet-condition, sample_size: 8, in_channels: 4, out_channels: 4, block_out_channels: [8, 16], "
      + "layers_per_block: 1, norm_num_groups: 4, attention_head_dim: 2, cross_attention_dim: 12, "
      + "down_block_types: [CrossAttnDownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, CrossAttnUpBlock2D]}"
    try """
    model: \(model)
    diffusion: {timesteps: 20}
    training: {batch_size: 4, microbatches: 2}
    sampling: {sampler: ddim, steps: 3, guidance: 2}
    """.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    let options = ["--config", trial.configuration, "--size", "8x8", "--threads", "1", "--json"]
    let sampled = try oboro(["bench", "sample", "--count", "2"] + options)
    try #require(sampled.exitStatus == 0 && sampled.errors == "", "\(sampled)")
    let result = try object(sampled.output)
    #expect(result["evaluations"] as? Int == 3 && result["images"] as? Int == 2)
    let evaluation = try #require(result["seconds_per_evaluation"] as? Double)
    let image = try #require(result["seconds_per_image"] as? Double)
    #expect(evaluation > 0 && image > 0)
    // Training steps of such a network are measured as well.
    let trained = try oboro(["bench", "step", "--steps", "1"] + options)
    #expect(trained.exitStatus == 0 && trained.errors == "", "\(trained)")
  }

  @Test func autoencodersAreMeasured() throws {
    let trial = try CaptionRuns.made(
      """
      model:
        kind: autoencoder-kl
        block_out_channels: [4, 8]
        down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D]
        up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D]
        norm_num_groups: 2
      training: {task: autoencoder}

      """)
    let arguments = [
      "bench", "autoencoder", "--config", trial.configuration, "--size", "16x8", "--threads", "1",
    ]
    let both = try oboro(arguments + ["--json"])
    try #require(both.exitStatus == 0 && both.errors == "", "\(both)")
    let result = try object(both.output)
    #expect(result["image_shape"] as? [Int] == [16, 8, 3] && result["latent_shape"] as? [Int] == [8, 4, 4])
    for key in ["encode_seconds", "decode_seconds"] {
      #expect(try #require(result[key] as? Double, "\(key)") > 0)
    }
    let one = try oboro(arguments + ["--only", "decode", "--steps", "1"])
    #expect(one.exitStatus == 0 && one.output.contains("seconds to decode"), "\(one)")
    #expect(!one.output.contains("seconds to encode"), "\(one)")
    let other = try Trial()
    let refused = try oboro(["bench", "autoencoder", "--config", other.configuration])
    expectFailure(refused, 64, "the model is no autoencoder")
    #expect(!FileManager.default.fileExists(atPath: other.run))
  }

  @Test func theSizeOfTheImagesIsAsked() throws {
    let trial = try Trial()
    func flops(_ arguments: String...) throws -> Int? {
      let run = try oboro(
        ["bench", "step", "--config", trial.configuration, "--steps", "1", "--json"] + arguments)
      return try object(run.output)["flops_per_image"] as? Int
    }
    #expect(try flops("--size", "8x12") == model(trial, size: "8x12")["flops"] as? Int)
    // The dataset's, if it is there.
    let dataset = try Trial.path()
    #expect(try flops("--set", "dataset.path=\(dataset)") == model(trial, size: "16x16")["flops"] as? Int)
    // The side that the name ends with.
    let named = "\(trial.path)/tiny-12.yaml"
    try copy(trial.configuration, to: named)
    #expect(try flops("--config", named) == model(trial, size: "12x12")["flops"] as? Int)
  }

  @Test func aPlainSumIsMeasuredBeside() throws {
    let run = try oboro(
      ["bench", "step", "--json", "--beside-allreduce", "--steps", "2", "--size", "16x16", "--threads", "1"]
        + ["--set", "training.batch_size=4", "--set", "training.microbatches=2", "--set", "model.dim=8"],
      ranks: 2)
    try #require(run.exitStatus == 0, "\(run)")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Double])
    #expect(result["ranks"] == 2 && result["microbatches"] == 2)
    let exact = try #require(result["step_seconds"])
    let plain = try #require(result["allreduce_step_seconds"])
    #expect(exact > 0 && plain > 0)
    #expect(abs(try #require(result["cost"]) - (exact / plain - 1)) < 1e-9)
    expectFailure(
      try oboro(["bench", "step", "--beside-allreduce", "--profile"]), 64, "has no --profile or --trace")
  }

  @Test func forPeopleThereIsATable() throws {
    let trial = try Trial()
    let run = try oboro(["bench", "step", "--config", trial.configuration, "--steps", "2"], ranks: 2)
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let head =
      "\(trial.configuration): 8 images of 32x32x1 a step, microbatches: 4, ranks: 2, threads of each: 1"
    #expect(run.outputLines.first ?? "" == head)
    #expect(run.outputLines.count == 10, "\(run)")
  }

  @Test func aProfileAccountsForTheWholeStep() throws {
    let trial = try Trial()
    let run = try oboro(["bench", "step", "--config", trial.configuration, "--steps", "2", "--profile"])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let lines = run.outputLines.drop { !$0.hasPrefix("operation ") }.dropFirst()
    let shares = try lines.map { line in
      try #require(line.split(separator: " ").first { $0.hasSuffix("%") }.flatMap { Double($0.dropLast()) })
    }
    // Shares are printed with one digit behind the point.
    let sum: Double = shares.dropLast().reduce(0, +)
    let rounding = 0.05 * Double(shares.count)
    #expect(abs(sum - 100) < rounding, "\(run)")
    #expect(shares.last == 100)
    for (name, pass) in [
      ("Convolution", "forward"), ("Convolution", "backward"), ("SelfAttention", "backward"),
      ("GroupNormalization", "forward"), ("update", nil), ("reduce-scatter", nil), ("all-gather", nil),
      ("noise", nil), ("loss", nil),
    ] {
      let row = lines.first { $0.hasPrefix("\(name) ") && (pass == nil || $0.contains(" \(pass ?? "") ")) }
      #expect(row != nil, "\(name) \(pass ?? "")\n\(run)")
    }
  }

  @Test func aTraceHoldsTheStepsOfAllRanks() throws {
    let trial = try Trial()
    let path = "\(trial.path)/trace.json"
    let run = try oboro(
      ["bench", "step", "--config", trial.configuration, "--steps", "2", "--trace", path], ranks: 2)
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let events = try #require(object(text(path))["traceEvents"] as? [[String: Any]])
    for rank in 0..<2 {
      let own = events.filter { $0["pid"] as? Int == rank }
      #expect(own.count { $0["name"] as? String == "process_name" } == 1)
      // One thread of a viewer's that computes, and lanes in which buckets travel.
      let names = own.filter { $0["name"] as? String == "thread_name" }
      let buckets = own.filter { $0["cat"] as? String == "transfer" }
      #expect(names.count == Set(own.compactMap { $0["tid"] as? Int }).count)
      for name in ["reduce-scatter 0", "all-gather 0"] {
        #expect(buckets.contains { $0["name"] as? String == name && $0["tid"] as? Int != 0 })
      }
      let spans = try own.filter { $0["ph"] as? String == "X" && $0["tid"] as? Int == 0 }.map { event in
        let start = try #require(event["ts"] as? Double)
        let duration = try #require(event["dur"] as? Double)
        return (name: event["name"] as? String ?? "", start: start, end: start + duration)
      }
      #expect(spans.count { $0.name == "step" } == 2)
      // Two micro-batches of two steps, each once forward and once backward.
      #expect(spans.count { $0.name == "forward" } == 4 && spans.count { $0.name == "backward" } == 4)
      #expect(spans.contains { $0.name == "Convolution" })
      // They are nested or apart, as a viewer stacks them. Times are printed to the nanosecond.
      var open: [Double] = []
      for span in spans {
        #expect(span.end >= span.start && span.start >= 0)
        while let end = open.last, end <= span.start + 0.002 { open.removeLast() }
        if let end = open.last { #expect(span.end <= end + 0.002) }
        open.append(span.end)
      }
    }
    let convolution = try #require(events.first { $0["name"] as? String == "Convolution" })
    let arguments = try #require(convolution["args"] as? [String: Any])
    #expect(arguments["layer"] as? String == "init_conv")
    // The two images of a micro-batch.
    #expect(arguments["flops"] as? Int == 2 * 2 * 32 * 32 * 8)
  }

  @Test(arguments: [2, 3, 4]) func sumsOverRanksAreTimedBesideMPIs(ranks: Int) throws {
    let sizes = ["1024", "1000000"]
    let run = try oboro(
      ["bench", "allreduce", "--json", "--bucket-bytes", "100000"] + sizes.flatMap { ["--size", $0] },
      ranks: ranks)
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let result = try object(run.output)
    #expect(result["ranks"] as? Int == ranks)
    let rows = try #require(result["sizes"] as? [[String: Any]])
    #expect(rows.map { "\($0["bytes"] ?? "")" } == sizes)
    for row in rows {
      let bytes = try #require(row["bytes"] as? Int)
      for name in ["", "mpi_"] {
        let seconds = try #require(row["\(name)seconds"] as? Double)
        let bandwidth = try #require(row["\(name)bandwidth"] as? Double)
        let moved = 2 * Double(ranks - 1) / Double(ranks) * Double(bytes)
        #expect(seconds > 0 && abs(bandwidth * seconds - moved) < 1e-6 * moved)
      }
    }
    let table = try oboro(["bench", "allreduce", "--size", "4096", "--size", "8192"], ranks: ranks)
    #expect(table.outputLines.count >= 4 && table.output.contains("MPI_Allreduce"), "\(table)")
  }

  @Test func manyRanksArePredicted() throws {
    let trial = try Trial()
    let arguments = ["bench", "scaling", "--config", trial.configuration, "--steps", "1"]
    let run = try oboro(arguments + ["--json", "--gigabits", "1", "100", "--ranks", "8", "1024"])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let result = try object(run.output)
    let rows = try #require(result["predictions"] as? [[String: Any]])
    #expect(
      rows.map { "\($0["gigabits"] ?? "") \($0["ranks"] ?? "")" } == [
        "1.0 8", "1.0 1024", "100.0 8", "100.0 1024",
      ])
    let seconds = rows.compactMap { $0["communication_seconds"] as? Double }
    #expect(seconds.count == 4 && seconds[2] < seconds[0] && seconds[3] < seconds[1])
    #expect(try oboro(arguments).outputLines.count == 11)
    expectFailure(
      try oboro(arguments, ranks: 2), 64, "bench scaling measures one rank: start it without mpirun")
  }

  @Test func kernelsAgreeWithTheirReferences() throws {
    let trial = try Trial()
    let run = try oboro(["bench", "kernels", "--config", trial.configuration, "--size", "8x12", "--json"])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let kernels = try #require(object(run.output)["kernels"] as? [[String: Any]])
    for (name, pass) in [
      ("convolution 3x3", "forward"), ("convolution 3x3", "backward"), ("convolution 2x2/2", "backward"),
      ("attention, linear", "forward"), ("attention, softmax", "forward"),
      ("group normalisation, silu", "forward"),
    ] {
      let found = kernels.filter { $0["kernel"] as? String == name && $0["pass"] as? String == pass }
      #expect(!found.isEmpty, "\(name) \(pass)\n\(run)")
      for kernel in found {
        let error = try #require(kernel["error"] as? Double)
        #expect(error > 0 && error < 1e-5, "\(kernel)")
      }
    }
    let sizes = kernels.map { "\($0["kernel"] ?? "") \($0["pass"] ?? "") \($0["sizes"] ?? "")" }
    #expect(Set(sizes).count == sizes.count)
  }

  /// Of 784 rows, whose weights are packed for all tasks.
  @Test(arguments: [("float32", 1e-5), ("bf16", 5e-3)])
  func linearLayersAgreeWithTheirReferences(precision: String, bound: Double) throws {
    let trial = try Trial()
    let configuration = "\(trial.path)/dit.yaml"
    try """
    dataset: {path: none}
    model: {kind: dit, image_size: 28, patch_size: 4, channels: 1, hidden_size: 64, depth: 1, heads: 2}
    training: {batch_size: 16, microbatches: 1, precision: \(precision)}
    """.write(toFile: configuration, atomically: true, encoding: .utf8)
    let run = try oboro(["bench", "kernels", "--config", configuration, "--json"])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let kernels = try #require(object(run.output)["kernels"] as? [[String: Any]])
    for pass in ["forward", "input gradient", "weight gradient"] {
      let found = kernels.filter {
        ($0["sizes"] as? String)?.hasPrefix("784 x 64 -> 256") == true && $0["pass"] as? String == pass
      }
      #expect(found.count == 1, "\(pass)\n\(run)")
      for kernel in found {
        let error = try #require(kernel["error"] as? Double)
        #expect(error > 0 && error < bound, "\(kernel)")
      }
    }
  }

  @Test func mistakesAreUsageErrors() throws {
    let trial = try Trial()
    func expect(
      _ arguments: [String], ranks: Int? = nil, status: Int32 = 64, says message: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let run = try oboro(["bench"] + arguments, ranks: ranks)
      #expect(run.exitStatus == status, "\(run)", sourceLocation: sourceLocation)
      #expect(run.errors.contains(message), "\(run)", sourceLocation: sourceLocation)
      #expect(run.output == "", "\(run)", sourceLocation: sourceLocation)
    }
    let step = ["step", "--config", trial.configuration]
    try expect(step + ["--steps", "0"], says: "--steps must be 1 to 100000, is 0")
    try expect(
      step + ["--size", "28x"],
      says: "--size must be height x width, such as 28x28, or one number for both, is 28x")
    try expect(step + ["--size", "9x8"], says: "height 9 is not; 8 or 10 would do")
    try expect(step + ["--profile", "--json"], says: "--profile makes no sense with --json")
    try expect(step + ["--set", "model.dims=3"], says: "model.dims")
    try expect(["step", "--config", "\(trial.path)/none.yaml"], says: "none.yaml")
    try expect(
      step + ["--steps", "1", "--trace", "\(trial.path)/no/trace.json"], status: 74, says: "no/trace.json")
    try expect(step, ranks: 3, says: "world sizes that would do: 1, 2, 4")
    try expect(["allreduce", "--size", "0"], says: "--size must be 4 to")
    try expect(["kernels", "--config", "\(trial.path)/none.yaml"], says: "none.yaml")
  }
}
