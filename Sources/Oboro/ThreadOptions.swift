import ArgumentParser
import Foundation
import Kernels

/// `--threads`, for the commands that compute.
struct ThreadOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Threads of each rank.",
      discussion: "If not given: OBORO_THREADS, or one for each core that the rank is bound to."))
  var threads: Int?

  private static let allowed = 1...4096

  func validate() throws {
    if let threads, !Self.allowed.contains(threads) {
      throw Self.outOfBounds("--threads", "\(threads)")
    }
  }

  private static func outOfBounds(_ name: String, _ value: String) -> ValidationError {
    ValidationError("\(name) must be \(allowed.lowerBound) to \(allowed.upperBound), is \(value)")
  }

  /// - Throws: `ValidationError` if the environment variable is not a valid number of threads.
  func count(environment: [String: String]) throws -> Int {
    if let threads { return threads }
    if let text = environment["OBORO_THREADS"] {
      guard let count = Int(text), Self.allowed.contains(count) else {
        throw Self.outOfBounds("OBORO_THREADS", "\"\(text)\"")
      }
      return count
    }
    // Ranks that are not bound to their own cores share the host's.
    let cores = ThreadPool.availableCores
    let isBound = cores < ProcessInfo.processInfo.processorCount
    return isBound ? cores : max(1, cores / Launch(environment: environment).ranksOnHost)
  }
}
