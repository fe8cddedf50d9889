import ArgumentParser
import Diffusion

/// Options that override the sampling settings of a run's configuration.
struct SamplingOverrides: ParsableArguments {
  @Option(help: "How noise becomes images: sampling.sampler.")
  var sampler: SamplerKind?

  @Option(help: "Steps of the sampler: sampling.steps.")
  var steps: Int?

  @Option(help: "Where the steps lie: sampling.spacing.")
  var spacing: Spacing?

  @Option(
    help: ArgumentHelp(
      "Scale of classifier-free guidance: sampling.guidance.",
      discussion: "1 for none; more for images that are more like their class."))
  var guidance: Double?

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp(
      "Another value of a key of sampling, repeatable. Without one, those of the run's configuration hold.",
      valueName: "sampling.key=value"))
  var settings: [String] = []

  func validate() throws {
    if let other = settings.first(where: { !$0.hasPrefix("sampling.") }) {
      throw ValidationError("--set \(other): only keys of sampling can be set here, as in sampling.eta=0.5")
    }
  }

  /// Overrides of a configuration: those of `--set`, and the options that are shorthand for one.
  var overrides: [String] {
    let named = [
      sampler.map { "sampler=\($0.rawValue)" }, steps.map { "steps=\($0)" },
      spacing.map { "spacing=\($0.rawValue)" }, guidance.map { "guidance=\($0)" },
    ]
    return settings + named.compactMap { $0.map { "sampling.\($0)" } }
  }

  /// The names of the options that were given.
  var given: [String] {
    [
      ("--sampler", sampler != nil), ("--steps", steps != nil), ("--spacing", spacing != nil),
      ("--guidance", guidance != nil), ("--set", !settings.isEmpty),
    ].filter(\.1).map(\.0)
  }
}

extension SamplerKind: ExpressibleByArgument {}
extension Spacing: ExpressibleByArgument {}
