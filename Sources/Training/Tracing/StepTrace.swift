import Files
import Foundation
import MPI
import Settings
import Tensors

/// Writes profiles for trace viewers (https://ui.perfetto.dev, chrome://tracing) in the Trace Event Format: one process
/// per rank, with a thread for computation and lanes for buckets in transit to and from other ranks.
public enum StepTrace {
  /// Writes the profiles of all ranks to `path` on rank 0. Collective.
  ///
  /// - Throws: `FileError`, `MPIError`.
  public static func write(_ profile: Profile, to path: String, on communicator: Communicator) throws {
    let text = try text(profile, on: communicator)
    try communicator.agree {
      if let text { try WholeFile.write(Data(text.utf8), to: path) }
    }
  }

  /// The profiles of all ranks on rank 0, nil elsewhere. Collective.
  ///
  /// - Throws: `MPIError`.
  static func text(_ profile: Profile, on communicator: Communicator) throws -> String? {
    let own = events(of: profile, rank: communicator.rank).map(\.json).joined(separator: ",\n")
    return try communicator.gather(own).map {
      "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n\($0.joined(separator: ",\n"))\n]}\n"
    }
  }

  private static func events(of profile: Profile, rank: Int) -> [SettingsNode] {
    func name(_ what: String, lane: Int, _ name: String) -> SettingsNode {
      [
        "name": SettingsNode(what), "ph": "M", "pid": SettingsNode(rank), "tid": SettingsNode(lane),
        "args": ["name": SettingsNode(name)],
      ]
    }
    let lanes = Set(profile.events.map(\.lane)).sorted()
    // Complete events ("X"), with times in microseconds. Enclosing events come before the events that they contain.
    let ordered = profile.events.sorted { ($0.start, $1.end) < ($1.start, $0.end) }
    return [name("process_name", lane: 0, "rank \(rank)")]
      + lanes.map { name("thread_name", lane: $0, $0 == 0 ? "computing" : "on its way \($0)") }
      + ordered.map { event in
        [
          "name": SettingsNode(event.name), "cat": SettingsNode(event.kind.rawValue), "ph": "X",
          "ts": SettingsNode(Double(event.start - profile.start) * 1e-3),
          "dur": SettingsNode(Double(event.end - event.start) * 1e-3),
          "pid": SettingsNode(rank), "tid": SettingsNode(event.lane), "args": arguments(event),
        ]
      }
  }

  private static func arguments(_ event: Profile.Event) -> SettingsNode {
    switch event.kind {
    case .forward, .recomputation, .backward, .update: break
    case .phase, .group, .transfer: return .empty
    }
    return [
      "layer": SettingsNode(event.layer), "flops": SettingsNode(event.cost.flops),
      "bytes": SettingsNode(event.cost.bytes),
    ]
  }
}
