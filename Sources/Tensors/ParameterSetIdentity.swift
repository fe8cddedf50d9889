/// Tells one set of parameters from another: a denoiser's, a frozen autoencoder's, an adapter's. Each set has a flat
/// memory of its own, so that a place in one means nothing in another.
public final class ParameterSetIdentity: Hashable, Sendable, CustomStringConvertible {
  /// What messages call the set.
  public let name: String

  public init(_ name: String) { self.name = name }

  /// That of parameters which are made by hand, without a builder.
  public static let unnamed = ParameterSetIdentity("unnamed")

  public static func == (left: ParameterSetIdentity, right: ParameterSetIdentity) -> Bool { left === right }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
  public var description: String { name }
}
