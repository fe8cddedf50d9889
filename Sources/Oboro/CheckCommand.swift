import ArgumentParser
import Foundation
import Interchange
import Settings
import Tensors

/// `oboro check`: compares a model with another program's results.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a model's output, loss and gradients with a case made elsewhere.",
    discussion: """
      The case is a safetensors file. Metadata: model (JSON, the model section of a configuration) and loss (l1, l2 or \
      huber). Tensors: model/NAME (PyTorch's state dict), target, output, loss, grad/NAME, and the inputs by name. \
      Errors are relative, ‖ours - theirs‖ / ‖theirs‖.

      Denoiser: x [B, C, H, W], t [B], and as far as the model takes them classes y [B] and context [B, L, D]. \
      Autoencoder: x and noise, which is as large as the latents; the output is the reconstruction from \
      mean + deviation * noise, and kl_weight in the metadata times the divergence of a latent is added to the loss. \
      Text encoder: tokens [B, L]; the output is the last hidden state after the final normalisation. CLIP: tokens and \
      x; the output are the logits of each image, the loss is contrastive, and there is no target.

      oboro check case.safetensors --tolerance 1e-5
      """)

  @Argument(help: ArgumentHelp("The case.", valueName: "case.safetensors"))
  var file: String

  @Option(help: "The largest error that passes.")
  var tolerance = 1e-4

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if !(tolerance > 0) { throw ValidationError("--tolerance must be above 0, is \(tolerance)") }
  }

  func run() throws {
    let check = try ParityCheck(
      case: file,
      engine: Engine(threadCount: try threadOptions.count(environment: ProcessInfo.processInfo.environment)))
    try print(json ? report(check).indentedJSON : table(check), terminator: "")
    // NaN fails every comparison.
    guard check.worst <= tolerance else { throw ExitCode(ExitStatus.failure.rawValue) }
  }

  private func report(_ check: ParityCheck) -> SettingsNode {
    [
      "output_error": SettingsNode(check.output),
      "loss_error": SettingsNode(check.loss),
      "gradient_error": SettingsNode(check.worstGradient?.error ?? 0),
      "worst_gradient": SettingsNode(check.worstGradient?.name ?? ""),
    ]
  }

  private func table(_ check: ParityCheck) -> String {
    let rows =
      [("output", check.output), ("loss", check.loss)] + check.gradients.map { ("grad/\($0.name)", $0.error) }
    let width = rows.map(\.0.count).max() ?? 0
    let lines = rows.map { name, error in
      "\(name.padding(toLength: width, withPad: " ", startingAt: 0))  \(String(format: "%.2e", error))"
        + (error <= tolerance ? "" : "  above \(tolerance)")
    }
    let verdict = check.worst <= tolerance ? "all within \(tolerance)" : "not all within \(tolerance)"
    return
      (lines + ["\(rows.count) compared, the worst \(String(format: "%.2e", check.worst)): \(verdict)", ""])
      .joined(separator: "\n")
  }
}
