import Foundation

/// The timesteps t in 0..<T of K steps, from noise to image, rounded for samplers that only support trained timesteps.
///
/// The arithmetic matches NumPy's in diffusers' `set_timesteps` bit for bit, so that values are rounded in the same
/// direction.
struct DiscreteTimesteps {
  let values: [Double]

  /// T.
  private let timesteps: Int

  /// - Parameters:
  ///   - last: the number of timesteps for leading and linspace: T, unless some are excluded.
  /// - Throws: ``SamplingError`` if the steps do not fit.
  init(
    _ spacing: TimestepSpacing, for sampler: SamplerKind, steps: Int, timesteps: Int, last: Int, offset: Int
  ) throws {
    self.timesteps = timesteps
    // Multistep solvers take one more point and drop the last: they step to σ = 0 from the one before.
    let isMultistep = sampler.traits.levels == .wholeTimesteps
    let points = isMultistep ? steps + 1 : steps
    switch spacing {
    case .leading:
      let stride = last / points
      guard stride > 0 else {
        throw SamplingError(
          "\(steps) steps are too many for \(sampler.rawValue) over \(last) timesteps with spacing leading: "
            + "at most \(isMultistep ? last - 1 : last)")
      }
      values = (0..<points).map { Double($0 * stride + offset) }.reversed().prefix(steps).map { $0 }
      guard values[0] <= Double(timesteps - 1) else {
        // https://github.com/huggingface/diffusers/issues/10003
        throw SamplingError(
          "\(steps) steps with spacing leading and steps_offset \(offset) begin at timestep \(Int(values[0])), "
            + "and the last is \(timesteps - 1): take fewer steps, or spacing trailing")
      }
    case .trailing:
      let ratio = Double(timesteps) / Double(steps)
      let first = Double(last)
      let delta = (first - ratio) - first
      values = (0..<steps).map { (first + Double($0) * delta).rounded(.toNearestOrEven) - 1 }
    case .linspace:
      let end = Double(last - 1)
      // A single point is the noisiest one: NumPy would give timestep 0.
      let spread =
        points == 1
        ? [end]
        : (0..<points).map { $0 == points - 1 ? end : Double($0) * (end / Double(points - 1)) }
      let isFractional = sampler.traits.levels == .anySigma
      values = spread.reversed().prefix(steps).map { isFractional ? $0 : $0.rounded(.toNearestOrEven) }
    }
  }
}

/// σ = sqrt((1 - ᾱ) / ᾱ), interpolated between the timesteps of a schedule.
struct SigmaTable: Sendable {
  let sigmas: [Double]
  private let logarithms: [Double]

  /// A last timestep without signal gets ᾱ = 2^-24, as in diffusers, so that σ is 4096 there rather than infinite.
  init(_ schedule: NoiseSchedule) {
    sigmas = schedule.cumulativeAlphas.map { alpha in
      let alpha = alpha > 0 ? alpha : 0x1p-24
      return ((1 - alpha) / alpha).squareRoot()
    }
    logarithms = sigmas.map { log($0) }
  }

  /// Linear between timesteps.
  func sigma(at t: Double) -> Double {
    let lower = min(max(Int(t), 0), sigmas.count - 1)
    let part = t - Double(lower)
    guard part > 0, lower + 1 < sigmas.count else { return sigmas[lower] }
    return sigmas[lower] + part * (sigmas[lower + 1] - sigmas[lower])
  }

  /// The timestep of a given σ, interpolated linearly in ln σ, within 0...T-1 (k-diffusion's `sigma_to_t`).
  func timestep(of sigma: Double) -> Double {
    guard sigmas.count > 1 else { return 0 }
    let value = log(max(sigma, 1e-10))
    let above = logarithms.firstIndex { $0 > value } ?? logarithms.count
    let lower = min(max(above - 1, 0), logarithms.count - 2)
    let part = (value - logarithms[lower]) / (logarithms[lower + 1] - logarithms[lower])
    return Double(lower) + min(max(part, 0), 1)
  }
}

/// σ_i = (σ_max^(1/ρ) + i / (K - 1) (σ_min^(1/ρ) - σ_max^(1/ρ)))^ρ (Karras et al., 2022, equation 5).
func karrasSigmas(from most: Double, to least: Double, steps: Int, rho: Double = 7) -> [Double] {
  let (start, end) = (pow(most, 1 / rho), pow(least, 1 / rho))
  return (0..<steps).map { step in
    // Use the exact end points, free of rounding.
    if step == 0 { return most }
    if step == steps - 1 { return least }
    return pow(start + Double(step) / Double(steps - 1) * (end - start), rho)
  }
}
