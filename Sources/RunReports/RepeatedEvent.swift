import Reporting

/// Entries of a log that say the same of the same, such as that a rank is slow: one, with how often and since when.
struct RepeatedEvent {
  private(set) var last: LogEntry
  private var first: LogEntry
  private var count = 1

  /// Values that differ from one time to the next, and do not make it another event.
  private static let measured: Set = ["step", "costs"]

  private init(_ entry: LogEntry) { (first, last) = (entry, entry) }

  /// `rank=3 host=n1 costs=20%`, and how often there was the like.
  var text: String {
    let values = last.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    return count == 1 ? values : "\(values) (the last of \(count) since \(first.date))"
  }

  /// In the order in which they came last. Starts and stops stay as they are.
  static func summed(_ entries: [LogEntry]) -> [RepeatedEvent] {
    var events: [RepeatedEvent] = []
    var places: [String: Int] = [:]
    for (index, entry) in entries.enumerated() {
      let values = entry.values.filter { !measured.contains($0.key) && !$0.key.hasSuffix("_ms") }
        .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let key =
        entry.level == "info"
        ? "\(index)" : "\(entry.level) \(entry.message) \(values.joined(separator: " "))"
      var event = RepeatedEvent(entry)
      if let place = places[key] {
        event = events[place]
        event.last = entry
        event.count += 1
        events.remove(at: place)
        for (other, number) in places where number > place { places[other] = number - 1 }
      }
      places[key] = events.count
      events.append(event)
    }
    return events
  }
}
