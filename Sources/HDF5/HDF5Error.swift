import Foundation

/// A problem with an HDF5 file, and its location.
public struct HDF5Error: Error, Sendable {
  public enum Problem: Sendable {
    /// A libhdf5 function failed. `stack` is the library's error stack, from the failed call to its cause.
    case library(function: String, stack: [Frame])
    /// The object is not in the file. `present` lists what is there instead.
    case missing(present: [String])
    /// The object exists but is not what was asked for.
    case mismatch(what: String, expected: String, found: String)
    /// Elements are not in the file, and the library would make them up. The text says what is missing and what to do.
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
  /// The `errno` of the underlying system call, such as `ENOSPC`, if the library reports it.
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
      // The system's error message is more informative than the library's call stack.
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

/// The file and the object in it that a call operates on, for error messages.
struct Place: Sendable {
  let file: String
  var object: String?

  /// The place of `name` relative to this one. A name that starts with "/" is relative to the root.
  func appending(_ name: String) -> Place {
    guard let object, object != "/", !name.hasPrefix("/") else {
      return Place(file: file, object: name.hasPrefix("/") ? name : "/" + name)
    }
    return Place(file: file, object: "\(object)/\(name)")
  }
}
