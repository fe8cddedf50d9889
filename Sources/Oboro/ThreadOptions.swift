import ArgumentParser
import Foundation
import Kernels

/// `--threads`, of the commands that compute.
struct ThreadOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Threads of each rank.",
      discussion: "If not given: OBORO_THREADS, or one for each core that the rank is bound to."))
  var threads: Int?

  func validate() throws {
    if let threads, !(1...4096).contains(threads) {
      throw ValidationError("--threads must be 1 to 4096, is \(threads)")
    }
  }

  /// - Throws: `ValidationError` if the environment says something that is no number of threads.
  func count(environment: [String: String]) throws -> Int {
    if let threads { return threads }
    if let text = environment["OBORO_THREADS"] {
      guard let count = Int(text), (1...4096).contains(count) else {
        throw ValidationError("OBORO_THREADS must be 1 to 4096, is \"\(text)\"")
      }
      return count
    }
    // Ranks that are not bound to cores of their own share the host's.
    let cores = ThreadPool.availableCores
    let isBound = cores < ProcessInfo.processInfo.processorCount
    return isBound ? cores : max(1, cores / Launch(environment: environment).ranksOnHost)
  }
}
