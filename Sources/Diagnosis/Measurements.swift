import Files
import Foundation
import MPI

/// Facts that can only be determined by measurement.
package enum Measurements {
  /// The number of seconds by which each rank's clock is ahead of rank 0's, and the uncertainty, which is half of the
  /// round-trip time. Collective.
  ///
  /// - Throws: `MPIError`.
  package static func clocks(on communicator: Communicator) throws -> (ahead: Double, tolerance: Double) {
    var own = (ahead: 0.0, tolerance: 0.0)
    for rank in 1..<max(communicator.size, 1) {
      var best = (ahead: 0.0, tolerance: Double.infinity)
      for _ in 0..<5 {
        if communicator.rank == 0 {
          let asked = Date().timeIntervalSince1970
          try communicator.send([asked], to: rank)
          let answer = try communicator.receive(Double.self, upTo: 1, from: rank).values[0]
          let now = Date().timeIntervalSince1970
          if (now - asked) / 2 < best.tolerance { best = (answer - (asked + now) / 2, (now - asked) / 2) }
        } else if communicator.rank == rank {
          _ = try communicator.receive(Double.self, upTo: 1, from: 0)
          try communicator.send([Date().timeIntervalSince1970], to: 0)
        }
      }
      if communicator.rank == 0 {
        try communicator.send([best.ahead, best.tolerance], to: rank)
      } else if communicator.rank == rank {
        let result = try communicator.receive(Double.self, upTo: 2, from: 0).values
        own = (result[0], result[1])
      }
    }
    return own
  }

  /// The fastest of several timed sums of `count` numbers over all ranks, in seconds. Collective.
  ///
  /// - Throws: `MPIError`.
  package static func allReduce(count: Int, rounds: Int, on communicator: Communicator) throws -> Double {
    let numbers = [Float](repeating: 1, count: count)
    var best = Double.infinity
    for _ in 0...rounds {
      try communicator.barrier()
      let start = ContinuousClock.now
      _ = try communicator.allReduce(numbers, .sum)
      best = min(best, (ContinuousClock.now - start) / .seconds(1))
    }
    return try communicator.allReduce(best, .max)
  }

  /// The write speed of a new file in `folder`, in bytes per second, including the flush to the device.
  ///
  /// - Throws: `FileError`.
  package static func write(bytes count: Int, in folder: String, rank: Int) throws -> Double {
    let path = "\(folder)/.oboro-doctor-\(rank)-\(getpid())"
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    defer { unlink(path) }
    let start = ContinuousClock.now
    try WholeFile.write(bytes, to: path)
    return Double(count) / ((ContinuousClock.now - start) / .seconds(1))
  }
}
