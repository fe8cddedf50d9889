import Foundation
import Safetensors
import TestSupport
import Testing

/// Adapters of other programs, merged here, and ours under their names. What peft, diffusers and LyCORIS make of the same
/// files was written by `generators/adapter_files.py`.
@Suite struct AdapterFileTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(components: "Fixtures", "adapter-files").path
  private static let base = "\(folder)/base.safetensors"
  private static let files = [
    "diffusers-lora.safetensors", "peft-loha", "peft-lokr", "kohya-lora.safetensors",
    "kohya-lora-tucker.safetensors", "lycoris-loha.safetensors", "lycoris-lokr.safetensors",
    "peft-lora-decomposed", "kohya-lora-decomposed.safetensors",
  ]
  /// What peft has no names for.
  private static let filesOfLyCORIS = [
    "lycoris-loha-decomposed.safetensors", "lycoris-lokr-decomposed.safetensors",
  ]

  private static func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// All tensors of a file.
  private func tensors(_ path: String) throws -> [String: (shape: [Int], values: [Float])] {
    let file = try SafetensorsFile(path: path)
    return try Dictionary(
      uniqueKeysWithValues: file.names.map { ($0, (try file.shape(of: $0), try file.floats($0))) })
  }

  /// Merges half of an adapter into the base.
  private func merged(_ adapters: String..., in folder: TemporaryDirectory) throws -> String {
    let output = "\(folder.path)/merged.safetensors"
    let run = try oboro(
      ["convert", Self.base, output, "--merge"] + adapters.flatMap { ["--adapter", $0] })
    try #require(run.exitStatus == 0, "\(run)")
    return output
  }

  /// Expects that weights are the base's, changed by half of what the file `name` has.
  private func expect(_ path: String, areThoseOf name: String) throws {
    let stem = name.replacing(".safetensors", with: "")
    let (ours, before) = (try tensors(path), try tensors(Self.base))
    let changed = try tensors(Self.path("\(stem)-merged.safetensors"))
    #expect(Set(ours.keys) == Set(before.keys))
    for (name, (shape, values)) in ours {
      let expected = (changed[name] ?? before[name])?.values ?? []
      #expect(shape == before[name]?.shape)
      let length = expected.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let distance = zip(values, expected).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }.squareRoot()
      #expect(distance <= 1e-6 * length, "\(name)")
    }
  }

  @Test(arguments: files + filesOfLyCORIS) func filesOfOthersAreMerged(name: String) throws {
    let folder = try TemporaryDirectory()
    try expect(try merged("\(Self.path(name)):0.5", in: folder), areThoseOf: name)
  }

  /// Under other names, and back.
  @Test(arguments: files, ["kohya", "peft", "diffusers"]) func dialectsAreTheSame(
    name: String, format: String
  )
    throws
  {
    let folder = try TemporaryDirectory()
    let converted = "\(folder.path)/converted.safetensors"
    let run = try oboro(["convert", Self.path(name), converted, "--format", format])
    try #require(run.exitStatus == 0, "\(run)")
    let names = try SafetensorsFile(path: converted).names
    let prefix = ["kohya": "lora_unet_", "peft": "", "diffusers": "unet."][format] ?? ""
    #expect(names.allSatisfy { $0.hasPrefix(prefix) }, "\(names.prefix(3))")
    try expect(try merged("\(converted):0.5", in: folder), areThoseOf: name)
  }

  @Test(arguments: filesOfLyCORIS) func decomposedProductsAreWrittenAsLyCORISDoes(name: String) throws {
    let folder = try TemporaryDirectory()
    let converted = "\(folder.path)/converted.safetensors"
    let run = try oboro(["convert", Self.path(name), converted, "--format", "kohya"])
    try #require(run.exitStatus == 0, "\(run)")
    try expect(try merged("\(converted):0.5", in: folder), areThoseOf: name)
    for format in ["peft", "diffusers"] {
      expectFailure(
        try oboro(["convert", Self.path(name), "\(folder.path)/x.safetensors", "--format", format]), 65,
        "peft decomposes the weights of LoRA only")
    }
  }

  /// Two halves are a whole, and what is merged with 0 changes nothing.
  @Test func severalAreAddedUp() throws {
    let folder = try TemporaryDirectory()
    let name = "diffusers-lora.safetensors"
    let path = Self.path(name)
    try expect(
      try merged("\(path):0.25", "\(path):0.25", "\(Self.path("peft-loha")):0", in: folder), areThoseOf: name)
    // What weights are divided by is that of the base's, whatever was merged before.
    let decomposed = Self.path("peft-lora-decomposed")
    try expect(
      try merged("\(decomposed):0.25", "\(decomposed):0.25", in: folder), areThoseOf: "peft-lora-decomposed")
  }

  /// A copy of a file with something changed.
  private func copy(
    _ name: String, in folder: TemporaryDirectory, metadata: [String: String]? = nil,
    _ change: (String) -> String? = { $0 }
  ) throws -> String {
    let file = try SafetensorsFile(path: Self.path(name))
    var writer = SafetensorsWriter(metadata: metadata ?? file.metadata)
    for name in file.names {
      guard let newName = change(name) else { continue }
      writer.add(newName, shape: try file.shape(of: name), floats: try file.floats(name))
    }
    let path = "\(folder.path)/changed.safetensors"
    try writer.write(to: path)
    return path
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/out.safetensors"
    func merge(_ adapter: String) throws -> ProcessRun {
      try oboro(["convert", Self.base, output, "--merge", "--adapter", adapter])
    }
    let lora = "diffusers-lora.safetensors"
    let down = "mid_block.resnets.0.conv1.lora_A.weight"
    expectFailure(
      try merge(copy(lora, in: folder) { $0 == down ? nil : $0 }), 65, "lacks mid_block.resnets.0.conv1")
    expectFailure(
      try merge(copy(lora, in: folder) { $0 == down ? "mid_block.resnets.0.conv1.magnitude" : $0 }), 65,
      "mid_block.resnets.0.conv1.magnitude is no tensor of an adapter")
    expectFailure(
      try merge(
        copy(lora, in: folder) {
          $0.replacing("mid_block.resnets.0.conv1", with: "mid_block.resnets.3.conv1")
        }),
      65, "mid_block.resnets.3.conv1", "the nearest is mid_block.resnets.")
    expectFailure(
      try merge(copy(lora, in: folder) { $0.replacing("to_q", with: "to_qkv") }), 65,
      "no linear layer or convolution")
    expectFailure(try merge("\(folder.path)/nothing.safetensors"), 65, "there is no such adapter")
    expectFailure(
      try oboro(["convert", Self.base, output, "--adapter", Self.path(lora)]), 64, "--adapter needs --merge")
    expectFailure(
      try oboro(["convert", Self.path(lora), output]), 64, "say --format peft, diffusers or kohya")
  }

  /// Where a file does not say alpha, that is told.
  @Test func alphaIsNeverGuessedSilently() throws {
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/out.safetensors"
    for (name, metadata) in [
      ("diffusers-lora.safetensors", ["format": "pt"]), ("kohya-lora.safetensors", nil),
    ] {
      let path = try copy(name, in: folder, metadata: metadata) { $0.hasSuffix(".alpha") ? nil : $0 }
      let run = try oboro(["convert", Self.base, output, "--merge", "--adapter", path])
      #expect(run.exitStatus == 0 && run.errors.contains("does not say alpha of"), "\(run)")
    }
  }
}
