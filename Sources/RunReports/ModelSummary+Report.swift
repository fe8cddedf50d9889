import Foundation
import Models
import Reporting
import Settings
import Tensors

extension ModelSummary {
  /// Machine-readable form, for scripts.
  public var node: SettingsNode {
    [
      "image_shape": SettingsNode(imageShape),
      "parameters": SettingsNode(parameters),
      "forward_flops": SettingsNode(forwardFlops),
      "flops": SettingsNode(forwardFlops + backwardFlops),
      "layers": SettingsNode(
        .list(
          layers.map { layer in
            [
              "name": SettingsNode(layer.name),
              "parameters": SettingsNode(layer.parameters),
              "forward_flops": SettingsNode(layer.forwardFlops),
              "flops": SettingsNode(layer.forwardFlops + layer.backwardFlops),
              "tensors": SettingsNode(
                .list(
                  layer.tensors.flatMap(\.fileTensors).map { tensor in
                    [
                      "name": SettingsNode(tensor.name), "shape": SettingsNode(tensor.shape),
                      "trained": SettingsNode(tensor.parameter.role == .trained),
                    ]
                  })),
            ]
          })),
    ]
  }

  /// Human-readable table.
  public var text: String {
    var table = TextTable(
      ["layer", "tensors", "parameters", "MFLOP forward", "and backward"], textColumns: 2)
    for layer in layers {
      let tensors = layer.tensors.flatMap(\.fileTensors).map { tensor in
        let shape = tensor.shape.map(String.init).joined(separator: "x")
        return "\(tensor.name.dropFirst(layer.name.isEmpty ? 0 : layer.name.count + 1)) \(shape)"
      }
      table.add([
        layer.name.isEmpty ? "(the model)" : layer.name, tensors.joined(separator: ", "),
        layer.tensors.isEmpty ? "" : "\(layer.parameters)",
        Self.megaflops(layer.forwardFlops), Self.megaflops(layer.forwardFlops + layer.backwardFlops),
      ])
    }
    table.add([
      "total", "", "\(parameters)", Self.megaflops(forwardFlops),
      Self.megaflops(forwardFlops + backwardFlops),
    ])
    let size = imageShape.map(String.init).joined(separator: "x")
    return table.text
      + "MFLOP: million multiplications and additions for an image of \(size), convolutions by their definition.\n"
  }

  private static func megaflops(_ flops: Int) -> String {
    flops == 0 ? "" : String(format: "%.3f", Double(flops) * 1e-6)
  }
}
