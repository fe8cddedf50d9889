import DataParallel
import Files
import MPI
import Models
import Safetensors
import Tensors

/// The weights of LPIPS, supplied by the user and shared by the ranks of a host.
public struct FrozenLPIPS: Sendable {
  public let model: LPIPS
  public let weights: ParameterBuffer
  /// A digest of the weights, independent of their path.
  public let digest: String

  /// Collective.
  ///
  /// - Parameter path: a safetensors file with the tensors of `LPIPS(net="vgg")` from the lpips package.
  /// - Throws: `CollectiveFailure` with the problem of the file; `MPIError`.
  public static func load(_ path: String, on communicator: Communicator) throws -> FrozenLPIPS {
    let model = try communicator.agree { try Self.model(of: SafetensorsFile(path: path)) }
    let layout = model.parameters
    let frozen = try FrozenWeights(count: layout.flatCount, on: communicator) {
      $0.copy(from: try StateDict.weights(of: layout, in: SafetensorsFile(path: path)))
    }
    let own = try communicator.agree { () -> String in
      let stream = SHA256.Stream()
      stream.append(layout, frozen.memory)
      return stream.finish()
    }
    return FrozenLPIPS(model: model, weights: frozen.memory, digest: own)
  }

  /// A model with the widths of the first convolution of each stage in the file.
  private static func model(of file: SafetensorsFile) throws -> LPIPS {
    let published = LPIPS().parameters.fileTensors
    let widths = try LPIPS.convolutions.indices.map { stage -> Int in
      guard let first = published.first(where: { $0.name.hasPrefix("net.slice\(stage + 1).") }),
        file.names.contains(first.name), let width = try file.shape(of: first.name).first, width > 0
      else {
        throw ModelFileError(
          file.path,
          "holds no weights of LPIPS with VGG16: stage \(stage + 1) of its network is missing; write them as "
            + "Docs/Latents.md says")
      }
      return width
    }
    return LPIPS(widths: widths)
  }
}
