import Files
import Foundation

/// Writes standard output for all commands. A write error is thrown, so that nobody mistakes half of an answer for all
/// of it.
///
/// It shadows the standard library's function, which ignores errors, so that all output requires a `try`.
func print(_ text: String, terminator: String = "\n") throws {
  try Array((text + terminator).utf8).withUnsafeBytes { bytes in
    var rest = bytes
    while !rest.isEmpty {
      let count = write(STDOUT_FILENO, rest.baseAddress, rest.count)
      if count >= 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      } else if errno != EINTR {
        throw StandardOutputError(code: errno)
      }
    }
  }
}

/// Standard output could not be written.
struct StandardOutputError: Error, CustomStringConvertible, ExitStatusProviding {
  let code: Int32

  var exitStatus: ExitStatus { .inputOutput }
  /// A reader that closes the pipe, such as `head`, has seen enough and needs no message.
  var isQuiet: Bool { code == EPIPE }
  var description: String {
    isQuiet ? "" : "cannot write standard output: \(String(cString: strerror(code)))"
  }

  /// If descriptors 0 to 2 are closed when the process starts, the first files that it opens would take their numbers,
  /// and receive what is written to standard output. Opens /dev/null on them in the wrong direction, so that reading
  /// input and writing output fail.
  static func occupyClosedDescriptors() {
    for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) == -1 {
      _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
