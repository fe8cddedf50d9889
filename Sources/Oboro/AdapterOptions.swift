import ArgumentParser
import Interchange

/// Adapters to merge into a model before use.
struct AdapterOptions: ParsableArguments {
  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      "An adapter to merge into the weights, and what to multiply it by; may be repeated.",
      discussion:
        "A file of peft, diffusers, kohya's scripts or LyCORIS, peft's folder, or a run that trained an adapter.",
      valueName: "file[:weight]"))
  var texts: [String] = []

  func validate() throws {
    for text in texts where AdapterSource(text) == nil {
      throw ValidationError(
        "--adapter \(text): expected a file, or a file and a number, such as style.safetensors:0.8")
    }
  }

  var sources: [AdapterSource] { texts.compactMap(AdapterSource.init) }
}
