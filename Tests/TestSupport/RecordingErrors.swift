import Testing

/// Runs `body` and records what it throws as an issue: an exit test's process only crashes with an error of its body,
/// which says nothing of the error.
public func recordingErrors(_ body: () throws -> Void) {
  do { try body() } catch { Issue.record(error) }
}
