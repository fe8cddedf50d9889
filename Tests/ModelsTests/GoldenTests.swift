import Models
import NumericsTestSupport
import Testing

/// Every model against PyTorch in double precision, on the cases that `generators` made of it.
@Suite struct GoldenTests {
  /// KIND/NAME of every case, for every kind that a configuration can name.
  static let cases = DenoiserKind.allCases.flatMap { kind in
    names(of: kind).map { "\(kind.rawValue)/\($0)" }
  }
  private let bound = 1e-4

  private static func names(of kind: DenoiserKind) -> [String] {
    (try? Fixture.safetensorsNames(in: kind.rawValue)) ?? []
  }

  @Test(arguments: DenoiserKind.allCases) func everyKindHasCases(kind: DenoiserKind) {
    #expect(Self.names(of: kind).count >= 2)
  }

  @Test(arguments: cases) func outputLossAndEveryGradient(name: String) throws {
    let file = try Fixture.safetensors(name)
    let pass = try GoldenPass(file, threads: 2)
    let shape = try file.shape(of: "output")
    #expect(pass.predictionShape == [shape[0], shape[2], shape[3], shape[1]])
    #expect(relativeError(of: pass.output, from: try file.floats("output")) < bound)
    #expect(relativeError(of: [pass.loss], from: try file.doubles("loss")) < bound)
    try expectGradients(pass.gradients, of: file, within: bound)
  }

  @Test(arguments: cases) func threadsDoNotChangeBits(name: String) throws {
    let file = try Fixture.safetensors(name)
    let first = try GoldenPass(file, threads: 1)
    for threads in comparedThreadCounts.dropFirst() {
      let pass = try GoldenPass(file, threads: threads)
      #expect(bitPatterns(pass.output) == bitPatterns(first.output), "\(threads) threads")
      #expect(pass.loss == first.loss, "\(threads) threads")
      for (name, gradient) in pass.gradients {
        #expect(
          first.gradients[name].map(bitPatterns) == bitPatterns(gradient), "\(name), \(threads) threads")
      }
    }
  }
}
