import Reporting

/// Log entries that repeat the same event, such as a slow rank, merged into one with a count and the time of the first.
struct RepeatedEvent {
  private(set) var last: LogEntry
  private var first: LogEntry
  private var count = 1

  /// Values that vary between occurrences and do not distinguish events.
  private static let measured: Set = ["step", "costs"]

  private init(_ entry: LogEntry) { (first, last) = (entry, entry) }

  /// `rank=3 host=n1 costs=20%`, and how often the event occurred.
  var text: String {
    let values = last.values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    return count == 1 ? values : "\(values) (the last of \(count) since \(first.date))"
  }

  /// Merges entries, in the order of their last occurrences. Starts and stops are kept individually.
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
