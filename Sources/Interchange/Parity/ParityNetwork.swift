import Layers
import Safetensors
import Settings
import Tensors

/// Runs parity checks for the networks of one role: defines the inputs of a case and the computation.
protocol ParityNetwork {
  /// The kinds of network, as named in a section `model`.
  static var kinds: [String] { get }

  /// The network described by the section.
  ///
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader) throws

  /// Its parameter sets, the last of which may be adapted.
  var sets: [ParitySet] { get }

  /// Shapes of the network's inputs in the case, validated, and of its output.
  ///
  /// - Throws: `ModelFileError`, `SafetensorsError`.
  func shapes(of file: ParityFile) throws -> ParityShapes

  /// The forward pass, on inputs of those shapes.
  ///
  /// - Throws: `ModelFileError`, `SafetensorsError`, `FileError`.
  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass

  /// The name in the case's files of the tensor called `name` here.
  func fileName(_ name: String, in file: ParityFile) -> String
}

extension ParityNetwork {
  func fileName(_ name: String, in file: ParityFile) -> String { name }
}

/// Shapes of a case's tensors other than weights and gradients, in the file's order.
struct ParityShapes {
  /// By name.
  var inputs: [String: [Int]]
  var output: [Int]
  /// Whether the loss compares the output with a target.
  var hasTarget = true
}

/// The results of a network's forward pass for a case.
struct ParityPass {
  let output: Tensor
  /// A scalar.
  let loss: Tensor
}
