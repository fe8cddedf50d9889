/// Identifies a set of parameters: those of a denoiser, a frozen autoencoder or an adapter. Each set has its own flat
/// memory, so an offset is meaningful only together with its set.
public final class ParameterSetIdentity: Hashable, Sendable, CustomStringConvertible {
  /// The set's name in messages.
  public let name: String

  public init(_ name: String) { self.name = name }

  /// The set of parameters that are created without a builder.
  public static let unnamed = ParameterSetIdentity("unnamed")

  public static func == (left: ParameterSetIdentity, right: ParameterSetIdentity) -> Bool { left === right }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
  public var description: String { name }
}
