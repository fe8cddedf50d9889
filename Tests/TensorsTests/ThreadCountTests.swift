import Foundation
import Kernels
import NumericsTestSupport
import Tensors
import Testing

/// On any number of threads every operation gives the same, bit for bit: its output, and the gradients of inputs and
/// parameters.
@Suite struct ThreadCountTests {
  @Test(arguments: OperationCase.large) func threadsDoNotChangeBits(_ c: OperationCase) throws {
    let check = c.check
    let expected = check.pass(threads: comparedThreadCounts[0])
    #expect(expected.output.contains { $0 != 0 } && expected.output.allSatisfy { $0.isFinite })
    for gradient in expected.gradients {
      #expect(try #require(gradient).contains { $0 != 0 })
      #expect(try #require(gradient).allSatisfy { $0.isFinite })
    }
    for threads in comparedThreadCounts.dropFirst() {
      let pass = check.pass(threads: threads)
      #expect(bitPatterns(pass.output) == bitPatterns(expected.output), "\(threads) threads")
      for (index, (gradient, expected)) in zip(pass.gradients, expected.gradients).enumerated() {
        #expect(gradient.map(bitPatterns) == expected.map(bitPatterns), "input \(index), \(threads) threads")
      }
    }
  }

  /// Each file of operations is tried, by the name that a profile has for it, and each function in it.
  @Test func noOperationIsLeftOut() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(components: "..", "..", "Sources", "Tensors", "Operations").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "swift" }
    #expect(files.count > 10)
    let tests = URL(filePath: #filePath).deletingLastPathComponent()
    let cases = try FileManager.default.contentsOfDirectory(atPath: tests.path)
      .filter { $0.hasPrefix("OperationCases+Large") }
      .map { try String(contentsOf: tests.appending(component: $0), encoding: .utf8) }.joined()
    for file in files {
      let source = try String(contentsOf: file, encoding: .utf8)
      for function in source.matches(of: /public (?:static )?func (\w+)/) {
        #expect(cases.contains("\(function.1)("), "\(file.lastPathComponent): \(function.1)")
      }
    }
    let profile = Profile()
    for c in OperationCase.large { _ = c.check.pass(threads: 1, profile: profile) }
    #expect(
      Set(profile.operations.map(\.name)) == Set(files.map { $0.deletingPathExtension().lastPathComponent }))
  }
}
