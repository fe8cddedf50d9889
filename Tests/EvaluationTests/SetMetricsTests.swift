import Evaluation
import Kernels
import NumericsTestSupport
import TestSupport
import Testing

@Suite struct SetMetricsTests {
  private let pool = ThreadPool(threadCount: 2)

  /// FID, KID, precision and recall are torch-fidelity's, density and coverage prdc's; the jackknife is computed anew for
  /// each image left out.
  @Test(arguments: ["equal", "unequal", "wide", "apart"])
  func metricsArePublishedPrograms(name: String) throws {
    let metrics = try SetMetrics(
      generated: Golden.set("\(name)/generated"), reference: Golden.set("\(name)/reference"), pool: pool)
    for (metric, value) in [
      ("fid", metrics.fid), ("kid", metrics.kid.value), ("kid_error", metrics.kid.error),
      ("precision", metrics.precision), ("recall", metrics.recall), ("density", metrics.density),
      ("coverage", metrics.coverage),
    ] {
      let expected = try Golden.number("\(name)/\(metric)")
      #expect(relativeError(of: value, from: expected) < 1e-6, "\(metric): \(value), expected \(expected)")
    }
    #expect(metrics.warnings.count == (name == "wide" ? 1 : 0))
  }

  @Test func fewerImagesThanFeaturesAreWarnedOf() throws {
    let metrics = try SetMetrics(
      generated: Golden.set("wide/generated"), reference: Golden.set("wide/reference"), pool: pool)
    #expect(metrics.warnings.first?.contains("has 20 images for 31 features") == true)
  }

  /// Also where tasks, blocks of products and panels of covariances are many and uneven.
  @Test func anyNumberOfThreadsGivesTheSameBits() throws {
    let (generated, reference) = (try randomSet(1131, 143, seed: 1), try randomSet(517, 143, seed: 2))
    let results = try [1, 2, 3].map {
      bits(
        try SetMetrics(generated: generated, reference: reference, pool: ThreadPool(threadCount: $0)))
    }
    #expect(results[1] == results[0])
    #expect(results[2] == results[0])
  }

  @Test func aSetIsLikeItself() throws {
    for set in [try randomSet(300, 40, seed: 3), try randomSet(30, 60, seed: 4)] {
      let metrics = try SetMetrics(generated: set, reference: set, pool: pool)
      #expect(abs(metrics.fid) < 1e-10 * Double(set.width), "\(metrics.fid)")
      // The estimate has no bias: a set's pairs with itself count in the third sum only, so it is below zero.
      #expect(metrics.kid.value < 0)
      #expect((metrics.precision, metrics.recall, metrics.coverage) == (1, 1, 1))
      #expect(metrics.density == 1)
    }
  }

  /// The same distances in another order, or in other coordinates.
  @Test func permutationAndRotationChangeNothing() throws {
    let (count, width) = (200, 6)
    let generated = normalValues(count * width, seed: 5)
    let reference = normalValues(count * width, seed: 6).map { $0 * 1.2 + 0.1 }
    func metrics(_ change: ([Double]) -> [Double], order: (Int) -> Int) throws -> SetMetrics {
      func set(_ values: [Float]) throws -> FeatureSet {
        let rows = (0..<count).map { row in
          change((0..<width).map { Double(values[order(row) * width + $0]) })
        }
        return try FeatureSet(name: "set", count: count, width: width, values: rows.flatMap { $0 })
      }
      return try SetMetrics(generated: set(generated), reference: set(reference), pool: pool)
    }
    let original = try metrics({ $0 }, order: { $0 })
    let permuted = try metrics({ $0 }, order: { ($0 * 77 + 5) % count })
    // Two planes turned, one after the other.
    let rotated = try metrics(
      { row in
        var row = row
        for (a, b) in [(0, 3), (1, 4), (3, 5)] {
          (row[a], row[b]) = (0.6 * row[a] - 0.8 * row[b], 0.8 * row[a] + 0.6 * row[b])
        }
        return row
      }, order: { $0 })
    for other in [permuted, rotated] {
      #expect(relativeError(of: other.fid, from: original.fid) < 1e-10)
      #expect(relativeError(of: other.kid.value, from: original.kid.value) < 1e-9)
      #expect(relativeError(of: other.kid.error, from: original.kid.error) < 1e-9)
      #expect((other.precision, other.recall) == (original.precision, original.recall))
      #expect((other.density, other.coverage) == (original.density, original.coverage))
    }
  }

  /// Of normal distributions whose means alone differ, FID is the squared distance of the means.
  @Test func aShiftIsItsSquare() throws {
    let (a, b) = (try randomSet(100, 5, seed: 7), try randomSet(100, 5, seed: 7, shift: 2))
    #expect(abs(try FrechetDistance.compute(a, b, pool: pool) - 20) < 1e-5)
  }

  /// FID of C₁ = 4 C₂ and equal means is tr C₂ (2 - 1)².
  @Test func aScaleIsItsTrace() throws {
    let values = normalValues(80 * 7, seed: 8)
    let (set, doubled) = try (
      FeatureSet(name: "a", count: 80, width: 7, values: values.map(Double.init)),
      FeatureSet(name: "b", count: 80, width: 7, values: values.map { 2 * Double($0) })
    )
    let variance = (0..<7).reduce(0.0) { sum, column in
      let column = (0..<80).map { Double(values[$0 * 7 + column]) }
      let mean = column.reduce(0, +) / 80
      return sum + column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 79 + mean * mean
    }
    #expect(relativeError(of: try FrechetDistance.compute(set, doubled, pool: pool), from: variance) < 1e-9)
  }

  /// Equal distances must count as equal wherever the images stand: six copies of each of two images, far from zero,
  /// where inner products round.
  @Test func duplicatesAreExact() throws {
    let (a, b) = (normalValues(50, seed: 9).map { $0 + 1000 }, normalValues(50, seed: 10).map { $0 + 1000 })
    let set = try FeatureSet(
      name: "copies", count: 12, width: 50, values: (0..<12).flatMap { $0 % 2 == 0 ? a : b })
    let metrics = try SetMetrics(generated: set, reference: set, pool: pool)
    // Radii are zero: closed balls hold the copies, open ones nothing.
    #expect((metrics.precision, metrics.recall) == (1, 1))
    #expect((metrics.density, metrics.coverage) == (0, 0))
  }

  @Test func whatCannotBeComparedIsRefused() throws {
    func fail(_ fragment: String, _ body: () throws -> Void) {
      let error = #expect(throws: EvaluationError.self) { try body() }
      #expect(error?.description.contains(fragment) == true, "\(error?.description ?? "")")
    }
    let set = try randomSet(10, 4, seed: 11)
    fail("random 12: its features have 5 numbers, those of random 11 4") {
      _ = try SetMetrics(generated: randomSet(10, 5, seed: 12), reference: set, pool: pool)
    }
    fail(
      "random 13: has 5 images, too few for density and coverage with 5 neighbours, which needs at least 6"
    ) {
      _ = try SetMetrics(generated: set, reference: randomSet(5, 4, seed: 13), pool: pool)
    }
    fail("one: has 1 images, too few for a covariance") {
      let one = try FeatureSet(name: "one", count: 1, width: 4, values: [Float](repeating: 1, count: 4))
      _ = try FrechetDistance.compute(one, set, pool: pool)
    }
    fail("none: is empty: [0, 4] features") {
      _ = try FeatureSet(name: "none", count: 0, width: 4, values: [Float]())
    }
    for value in [Float.nan, .infinity] {
      fail("bad: row 1, column 2 of its features is \(value)") {
        _ = try FeatureSet(name: "bad", count: 2, width: 3, values: [0, 1, 2, 3, 4, value] as [Float])
      }
    }
  }
}
