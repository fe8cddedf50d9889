import Kernels

/// Metrics of a set of generated images against a reference set, from their features.
public struct SetMetrics: Sendable, Equatable {
  /// The Fréchet distance, see `FrechetDistance`.
  public let fid: Double
  /// The kernel distance and its standard error, see `KernelDistance`.
  public let kid: KernelDistance
  /// The fraction of generated images within the manifold of the reference images, and of reference images within that
  /// of the generated ones: the union of closed balls around each image whose radius is the distance to its 3rd
  /// neighbour (Kynkäänniemi and others, "Improved Precision and Recall Metric for Assessing Generative Models", 2019,
  /// equation 2).
  public let precision: Double
  public let recall: Double
  /// The mean number of reference balls that contain a generated image, divided by 5, and the fraction of reference
  /// images whose ball contains a generated image: open balls whose radius is the distance to the 5th neighbour (Naeem
  /// and others, "Reliable Fidelity and Diversity Metrics for Generative Models", 2020, equations 4 and 5).
  public let density: Double
  public let coverage: Double
  /// Caveats about the results.
  public let warnings: [String]

  /// The metrics in display order.
  public var measures: [Measure] {
    let (k, larger) = (Self.precisionNeighbours, Self.densityNeighbours)
    return [
      Measure("fid", fid, isBetterHigher: false),
      Measure("kid", kid.value, error: kid.error, isBetterHigher: false),
      Measure("precision", as: "precision (k = \(k))", precision, isBetterHigher: true),
      Measure("recall", as: "recall (k = \(k))", recall, isBetterHigher: true),
      Measure("density", as: "density (k = \(larger))", density, isBetterHigher: true),
      Measure("coverage", as: "coverage (k = \(larger))", coverage, isBetterHigher: true),
    ]
  }

  /// The neighbours used for precision and recall, and for density and coverage.
  public static let (precisionNeighbours, densityNeighbours) = (3, 5)
  /// The minimum number of images in a set.
  public static let leastImages = densityNeighbours + 1

  /// The total number of rows for `progress`, for sets of these sizes.
  public static func rows(generated: Int, reference: Int) -> Int { 2 * generated + reference }

  /// - Parameter progress: called on any thread with the number of rows of pairs done, of `rows(generated:reference:)`.
  /// - Throws: `EvaluationError` if the widths differ or a set has too few images.
  public init(
    generated: FeatureSet, reference: FeatureSet, pool: ThreadPool, progress: (Int) -> Void = { _ in }
  ) throws {
    try FeatureSet.requireSameWidth(generated, reference)
    let (k, larger) = (Self.precisionNeighbours, Self.densityNeighbours)
    for set in [generated, reference] {
      try set.require(atLeast: Self.leastImages, for: "density and coverage with \(larger) neighbours")
    }
    let kernel = CubicKernel(width: generated.width)
    let (m, n) = (generated.count, reference.count)
    let norms = (
      generated: PairwiseProducts.squaredNorms(generated.matrix, pool: pool),
      reference: PairwiseProducts.squaredNorms(reference.matrix, pool: pool)
    )
    let ofGenerated = SelfPairs(
      generated, norms: norms.generated, kernel: kernel, neighbours: [k], pool: pool, progress: progress)
    let ofReference = SelfPairs(
      reference, norms: norms.reference, kernel: kernel, neighbours: [k, larger], pool: pool,
      progress: { progress(m + $0) })
    let cross = CrossPairs(
      generated: generated, reference: reference, norms: norms, kernel: kernel,
      radii: .init(
        generated: ofGenerated.squaredRadii[0], reference: ofReference.squaredRadii[0],
        referenceLarger: ofReference.squaredRadii[1]),
      pool: pool, progress: { progress(m + n + $0) })
    kid = KernelDistance(
      own: (ofGenerated.kernelSums, ofReference.kernelSums),
      cross: (cross.generatedKernelSums, cross.referenceKernelSums))
    precision = Double(cross.generatedCovered) / Double(m)
    recall = Double(cross.referenceCovered) / Double(n)
    density = Double(cross.pairsWithin) / Double(larger * m)
    coverage = Double(cross.referenceReached) / Double(n)
    fid = try FrechetDistance.compute(generated, reference, pool: pool)
    warnings = FrechetDistance.warning(generated, reference).map { [$0] } ?? []
  }
}
