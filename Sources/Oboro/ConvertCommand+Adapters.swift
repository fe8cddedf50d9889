import ArgumentParser
import Checkpoints
import Interchange
import Reporting

// Conversion of adapters: between the namings of several programs, from runs, and by merging into models.

extension Convert {
  /// The dialect of an adapter's file; nil for other formats.
  private var dialect: AdapterTensors.Dialect? {
    switch format {
    case nil, .peft: .peft
    case .kohya: .kohya
    case .diffusers: .diffusers
    case .oboro, .safetensors: nil
    }
  }

  /// - Returns: whether an adapter is converted or merged.
  /// - Throws: `ValidationError` for options that exclude each other.
  func validateAdapter() throws -> Bool {
    if !adapters.texts.isEmpty {
      guard merge else { throw ValidationError("--adapter needs --merge") }
      if format == .diffusers, PipelineFolder.isOne(input) { return true }
      guard output.hasSuffix(Self.fileType), format == nil || format == .safetensors else {
        throw ValidationError(
          "a model with merged adapters becomes a file: \(output) must end in \(Self.fileType); of a pipeline's folder one "
            + "becomes another with --format diffusers")
      }
      return true
    }
    guard AdapterTensors.isOne(input) else {
      if format == .peft || format == .kohya, merge {
        throw ValidationError("--merge makes a model, and --format \(format?.rawValue ?? "") an adapter")
      }
      // Whether a run has trained an adapter is only known once it is read.
      return format == .peft || format == .kohya
    }
    guard !merge else {
      throw ValidationError("--merge needs the model: \(input) is an adapter, name it with --adapter")
    }
    guard format != nil, dialect != nil else {
      throw ValidationError("\(input) is an adapter: say --format peft, diffusers or kohya")
    }
    return true
  }

  /// - Returns: false if no adapter is converted or merged.
  /// - Throws: `ModelFileError`, `CheckpointError`, `SafetensorsError`, `FileError`, `SettingsError`,
  ///   `AdapterMergeError`.
  func convertAdapter() throws -> Bool {
    let console = Console()
    func tell(_ text: String) { console.print("oboro: \(text)") }
    if !adapters.texts.isEmpty, format == .diffusers {
      let folder = try PipelineFolder(input)
      if !folder.unused.isEmpty { tell("left out: \(folder.unused.joined(separator: ", "))") }
      try folder.write(to: output, merging: adapters.sources, tell: tell)
      return true
    }
    if !adapters.texts.isEmpty {
      try BaseModel(input) { tell("passed over: \($0)") }
        .write(merging: adapters.sources, to: output, tell: tell)
      return true
    }
    if AdapterTensors.isOne(input) {
      guard let dialect else { preconditionFailure("\(input) was not validated") }
      try AdapterSource(input)?.tensors(tell: tell).write(dialect, to: output)
      return true
    }
    guard !merge, let dialect, !isForeign else { return false }
    return try Checkpoint.read(at: input) {
      tell("passed over: \($0)")
    } _: { checkpoint in
      let trainsAdapter = checkpoint.manifest.configuration["adapter"] != nil
      guard trainsAdapter || format == .peft || format == .kohya else { return false }
      try AdapterTensors(checkpoint, weights: .weights(named: weights)).write(dialect, to: output)
      return true
    }
  }
}
