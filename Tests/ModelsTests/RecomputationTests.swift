import NumericsTestSupport
import Testing

/// Every model with its stages computed again in the backward pass.
@Suite struct RecomputationTests {
  /// Output, loss, gradients and running averages, and the order in which gradients are complete, with which they leave
  /// for other ranks.
  @Test(arguments: GoldenTests.cases, [1, 3]) func recomputationChangesNothing(name: String, threads: Int)
    throws
  {
    let file = try Fixture.safetensors(name)
    let expected = try GoldenPass(file, threads: 1)
    let pass = try GoldenPass(file, threads: threads, recomputes: true)
    #expect(bitPatterns(pass.output) == bitPatterns(expected.output))
    #expect(pass.loss == expected.loss)
    #expect(bitPatterns(pass.flat) == bitPatterns(expected.flat))
    #expect(pass.completed == expected.completed && !pass.completed.isEmpty)
    // Of a shallow transformer half is kept, of all else less.
    #expect(2 * pass.keptBuffers <= expected.keptBuffers, "\(pass.keptBuffers) of \(expected.keptBuffers)")
  }
}
