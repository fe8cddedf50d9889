/// A rank's progress, as the rank itself reports it.
package struct RankStatus: Equatable, Sendable {
  package var activity: Activity
  package var step: Int
  /// Seconds since the rank entered `activity`.
  package var seconds: Double
  /// Seconds for which the process has neither computed nor done I/O.
  package var idleSeconds: Double

  package init(_ activity: Activity, step: Int = 0, seconds: Double = 0, idleSeconds: Double = 0) {
    self.activity = activity
    self.step = step
    self.seconds = seconds
    self.idleSeconds = idleSeconds
  }

  var text: String { activity.text(step: step) }
}

/// A rank's last known status, and its age.
package struct AgedStatus: Equatable, Sendable {
  package var status: RankStatus
  /// Seconds since the rank reported it.
  package var age: Double

  package init(_ status: RankStatus, age: Double = 0) {
    self.status = status
    self.age = age
  }
}
