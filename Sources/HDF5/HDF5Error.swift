import Foundation

/// What went wrong in an HDF5 file, and where.
public struct HDF5Error: Error, Sendable {
  public enum Problem: Sendable {
    /// A function of libhdf5 failed. `stack` is the library's own account, the failed call first, its cause last.
    case library(function: String, stack: [Frame])
    /// The object is not in the file. `present` names what lies beside it.
    case missing(present: [String])
    /// The object is there but is not what was asked for.
    case mismatch(what: String, expected: String, found: String)
    /// Elements that are not in the file, which the library would make up. In words: what is not there, and what to do.
    case unstored(String)
  }

  /// One level of libhdf5's error stack.
  public struct Frame: Sendable {
    public let function: String
    public let message: String
  }

  public let file: String
  /// The path of the object inside the file; nil for the file itself.
  public let object: String?
  public let problem: Problem

  init(_ place: Place, _ problem: Problem) {
    file = place.file
    object = place.object
    self.problem = problem
  }
}

extension HDF5Error {
  /// The `errno` of the system call that was at the bottom of it, such as `ENOSPC`, as far as the library tells.
  public var systemErrorNumber: Int32? {
    guard case .library(_, let stack) = problem else { return nil }
    return stack.lazy.compactMap { $0.message.firstMatch(of: /errno = (\d+)/).flatMap { Int32($0.1) } }.first
  }
}

extension HDF5Error: CustomStringConvertible {
  public var description: String {
    let place = object.map { "\(file), \($0)" } ?? file
    switch problem {
    case .library(let function, let stack):
      // The system's words say more than the library's account of how they went up its calls.
      if let code = systemErrorNumber, code != EAGAIN, code != EWOULDBLOCK {
        return "\(place): \(function) failed: \(String(cString: strerror(code)))"
      }
      guard let cause = stack.last else { return "\(place): \(function) failed and left no explanation" }
      let calls = stack.map { "\($0.function): \($0.message)" }.joined(separator: " > ")
      let advice = cause.message.contains("lock file") ? "; \(Self.lockingAdvice)" : ""
      return "\(place): \(function) failed: \(cause.message)\(advice) [\(calls)]"
    case .missing(let present):
      let beside = present.isEmpty ? "nothing" : present.joined(separator: ", ")
      return "\(place): not in the file; found there: \(beside)"
    case .mismatch(let what, let expected, let found):
      return "\(place): \(what) is \(found), expected \(expected)"
    case .unstored(let what):
      return "\(place): \(what)"
    }
  }

  private static var lockingAdvice: String {
    "if another program is not writing it, its file system may not offer locks: set HDF5_USE_FILE_LOCKING=FALSE"
  }
}

/// The file, and the object in it, that a call is about: what an error names.
struct Place: Sendable {
  let file: String
  var object: String?

  /// The place of `name` seen from here. A name that starts with "/" starts at the root.
  func appending(_ name: String) -> Place {
    guard let object, object != "/", !name.hasPrefix("/") else {
      return Place(file: file, object: name.hasPrefix("/") ? name : "/" + name)
    }
    return Place(file: file, object: "\(object)/\(name)")
  }
}
