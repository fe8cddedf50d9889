import CHDF5
import Synchronization

/// The single entry point to libhdf5: every call of the library is made here, under a lock, and checked.
///
/// libhdf5 keeps process-wide state (tables of identifiers, metadata caches) and has its own lock only if built with
/// one. Our lock must therefore be process-wide too: with one per file, two threads could access the same tables. It is
/// held for one C call at a time, never while other Swift code runs.
enum Library {
  private struct State {
    var isPrepared = false

    mutating func prepare() {
      if !isPrepared {
        // At exit, the library would close all files, even while a thread is still reading one. Writers close their
        // files themselves, so nothing is lost by disabling that. Must precede any other call.
        _ = H5dont_atexit()
        H5open()
        isPrepared = true
      }
      // Errors are thrown along with the library's error stack instead of being printed. Set before every call, because
      // in a library built with its own lock, each thread has its own error stack, for which printing is initially
      // enabled.
      H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    }
  }

  private static let state = Mutex(State())

  /// Calls libhdf5 and returns the result; throws `HDF5Error` with the library's error stack if the result is negative,
  /// which indicates failure for most functions.
  ///
  /// - Parameter handles: the handles used by the call, kept open until it returns.
  @discardableResult
  static func call<Result: SignedInteger & Sendable>(
    _ function: String, _ place: Place, using handles: [Handle] = [], _ body: () -> Result
  ) throws -> Result {
    try call(function, place, using: handles, failsIf: { $0 < 0 }, body)
  }

  /// Calls a libhdf5 function that indicates failure in another way.
  @discardableResult
  static func call<Result: Sendable>(
    _ function: String, _ place: Place, using handles: [Handle] = [], failsIf failed: (Result) -> Bool,
    _ body: () -> Result
  ) throws -> Result {
    let (result, stack): (Result, [HDF5Error.Frame]?) = withExtendedLifetime(handles) {
      state.withLock { state in
        state.prepare()
        let result = body()
        return (result, failed(result) ? takeErrorStack() : nil)
      }
    }
    if let stack { throw HDF5Error(place, .library(function: function, stack: stack)) }
    return result
  }

  /// Releases an identifier. Failures cannot be handled here: callers that must know whether data reached the file use
  /// `File.close()`. An identifier already closed along with its file is no longer valid, and is never reused.
  static func release(_ id: hid_t) {
    state.withLock { state in
      state.prepare()
      if H5Iis_valid(id) > 0 { H5Idec_ref(id) }
      H5Eclear2(hid_t(H5E_DEFAULT))
    }
  }

  /// The error stack, starting with the failed function. Runs under the lock, as part of the failed call.
  private static func takeErrorStack() -> [HDF5Error.Frame] {
    var frames: [HDF5Error.Frame] = []
    withUnsafeMutablePointer(to: &frames) { frames in
      let visit: H5E_walk2_t = { _, entry, context in
        guard let entry = entry?.pointee, let context else { return 0 }
        let frames = context.assumingMemoryBound(to: [HDF5Error.Frame].self)
        let function = entry.func_name.map { String(cString: $0) } ?? "?"
        let message = entry.desc.map { String(cString: $0) } ?? "?"
        frames.pointee.append(HDF5Error.Frame(function: function, message: message))
        return 0
      }
      _ = H5Ewalk2(hid_t(H5E_DEFAULT), H5E_WALK_DOWNWARD, visit, frames)
    }
    H5Eclear2(hid_t(H5E_DEFAULT))
    return frames
  }
}
