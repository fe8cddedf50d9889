import Files
import Foundation

/// Standard output, as all commands write it: what cannot be written is an error, so that nobody takes half of an answer
/// for all of it.
///
/// It has the name of the standard library's function, which ignores errors, so that none is written without a `try`.
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

/// The standard output could not be written.
struct StandardOutputError: Error, CustomStringConvertible, ExitStatusProviding {
  let code: Int32

  var exitStatus: ExitStatus { .inputOutput }
  /// Who closes a pipe, as `head` does, has seen enough, and needs no message.
  var isQuiet: Bool { code == EPIPE }
  var description: String {
    isQuiet ? "" : "cannot write standard output: \(String(cString: strerror(code)))"
  }

  /// Descriptors 0 to 2 that whoever started the process has closed would become those of the first files that it
  /// opens, and get what is written to standard output. In their places come ones that nothing can be written to.
  static func occupyClosedDescriptors() {
    for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) == -1 {
      _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
