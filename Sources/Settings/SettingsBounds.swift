/// The values that a setting may take. Swift's ranges and ``Above`` conform.
public protocol SettingsBounds<Bound> {
  associatedtype Bound: Comparable
  func allows(_ value: Bound) -> Bool
  /// Follows the type in messages: `from 1 to 4096`.
  var boundsDescription: String { get }
}

/// All values greater than a bound, which Swift's ranges cannot express: `in: Above(0.0)`.
public struct Above<Bound: Comparable & Sendable>: SettingsBounds, Sendable {
  public let bound: Bound
  public init(_ bound: Bound) { self.bound = bound }
  public func allows(_ value: Bound) -> Bool { value > bound }
  public var boundsDescription: String { "above \(bound)" }
}

extension ClosedRange: SettingsBounds {
  public func allows(_ value: Bound) -> Bool { contains(value) }
  public var boundsDescription: String {
    lowerBound == upperBound ? "equal to \(lowerBound)" : "from \(lowerBound) to \(upperBound)"
  }
}

extension Range: SettingsBounds {
  public func allows(_ value: Bound) -> Bool { contains(value) }
  public var boundsDescription: String { "from \(lowerBound) to below \(upperBound)" }
}

extension PartialRangeFrom: SettingsBounds {
  public func allows(_ value: Bound) -> Bool { contains(value) }
  public var boundsDescription: String { "of at least \(lowerBound)" }
}

extension PartialRangeThrough: SettingsBounds {
  public func allows(_ value: Bound) -> Bool { contains(value) }
  public var boundsDescription: String { "of at most \(upperBound)" }
}

extension PartialRangeUpTo: SettingsBounds {
  public func allows(_ value: Bound) -> Bool { contains(value) }
  public var boundsDescription: String { "below \(upperBound)" }
}
