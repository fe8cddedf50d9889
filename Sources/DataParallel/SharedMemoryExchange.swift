import MPI

/// An exchange between ranks that map each other's memory: each announces that its part is ready, reads the others'
/// parts, and announces that it has finished reading.
final class SharedMemoryExchange {
  /// The partners' memory, in the order of the partners.
  let memories: [UnsafePointer<Float>]
  private let partners: [Int]
  private let communicator: Communicator
  private let tag: Int
  private var invitations: [Request] = []
  private var others: [Request] = []

  /// Announces that this rank's part is ready.
  init(_ partners: [Int], memories: [UnsafePointer<Float>], over communicator: Communicator, tag: Int) throws
  {
    self.partners = partners
    self.memories = memories
    self.communicator = communicator
    self.tag = tag
    invitations = try listen()
    try say()
  }

  /// Whether the partners' parts are ready.
  func isOpen() throws -> Bool { try invitations.complete() }

  /// Announces that this rank has finished reading.
  func leave() throws {
    others += try listen()
    try say()
  }

  /// Whether the partners have finished reading; call it after `leave()`.
  func isOver() throws -> Bool { try others.complete() }

  private func say() throws {
    others += try partners.map { try communicator.immediateSend(Self.nothing, to: $0, tag: tag) }
  }

  private func listen() throws -> [Request] {
    try partners.map { try communicator.immediateReceive(into: Self.nowhere, from: $0, tag: tag) }
  }

  private static var nothing: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: nil, count: 0) }
  private static var nowhere: UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: nil, count: 0)
  }
}
