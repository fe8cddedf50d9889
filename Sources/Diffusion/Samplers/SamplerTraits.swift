/// What paths, options and schedulers must know about a sampler.
struct SamplerTraits {
  /// The noise levels at which a sampler can evaluate the network of a discrete process.
  enum Levels {
    /// The trained timesteps, whose ᾱ it looks up.
    case trained
    /// Any σ, on the way to which x holds the whole image (x_0 + σ ε); timesteps are fractional.
    case anySigma
    /// The σ of whole timesteps, with x of unit variance.
    case wholeTimesteps
  }

  let levels: Levels
  /// The processes that it supports.
  let processes: Set<ProcessKind>
  /// The class of diffusers with the same method, or with the nearest one, whose configuration the sampler reads and
  /// a pipeline of it is written with.
  let schedulerClass: SchedulerClass
  /// Whether it has the parameter η.
  var hasEta = false
  /// Whether it can add noise before a step.
  var hasChurn = false
}
