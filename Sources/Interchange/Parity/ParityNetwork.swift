import Layers
import Safetensors
import Settings
import Tensors

/// What a parity check does with the networks of one role: which inputs a case has for them, and what is computed.
protocol ParityNetwork {
  /// The kinds of network, as a section `model` names them.
  static var kinds: [String] { get }

  /// The network that the section describes.
  ///
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader) throws

  /// Its parameters, of which the last set may be adapted.
  var sets: [ParitySet] { get }

  /// Shapes of the inputs that the network takes of the case, which are found to fit it, and of its output.
  ///
  /// - Throws: `ModelFileError`, `SafetensorsError`.
  func shapes(of file: ParityFile) throws -> ParityShapes

  /// The forward pass, on inputs of those shapes.
  ///
  /// - Throws: `ModelFileError`, `SafetensorsError`, `FileError`.
  func pass(_ file: ParityFile, on tape: Tape) throws -> ParityPass

  /// What the case's files call the tensor that is `name` here.
  func fileName(_ name: String, in file: ParityFile) -> String
}

extension ParityNetwork {
  func fileName(_ name: String, in file: ParityFile) -> String { name }
}

/// Shapes of a case's tensors beside weights and gradients, in the file's order.
struct ParityShapes {
  /// By name.
  var inputs: [String: [Int]]
  var output: [Int]
  /// Whether the loss compares the output with a target.
  var hasTarget = true
}

/// What a network computed of a case.
struct ParityPass {
  let output: Tensor
  /// A scalar.
  let loss: Tensor
}
