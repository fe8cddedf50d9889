/// A request that cannot be sampled, and why.
public struct SamplingError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
