import CHDF5
import Synchronization

/// The one door to libhdf5: every call of the library is made here, under its lock, and checked.
///
/// libhdf5 keeps state for the whole process (tables of identifiers, caches of metadata), and has a lock of its own only
/// where it was built with one. So the lock must be the process's too: with one for each file, two threads would be in
/// the same tables. It is held for one C call at a time, never while Swift code of others runs.
enum Library {
  private struct State {
    var isPrepared = false

    mutating func prepare() {
      if !isPrepared {
        // At exit the library would close all files, under the feet of a thread that still reads one. Writers close
        // their files themselves, so nothing is lost without that. Must come before anything else is called.
        _ = H5dont_atexit()
        H5open()
        isPrepared = true
      }
      // Errors are thrown with the library's stack in them, not printed. Said before every call, for where the library
      // has a lock of its own, each thread has its own error stack, which starts out printing.
      H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    }
  }

  private static let state = Mutex(State())

  /// Calls libhdf5 and returns the result; throws `HDF5Error` with the library's error stack if it is negative, which
  /// is how most of its functions fail.
  ///
  /// - Parameter handles: what the call uses, kept open until it returns.
  @discardableResult
  static func call<Result: SignedInteger & Sendable>(
    _ function: String, _ place: Place, using handles: [Handle] = [], _ body: () -> Result
  ) throws -> Result {
    try call(function, place, using: handles, failsIf: { $0 < 0 }, body)
  }

  /// Calls a function of libhdf5 that tells failure in a way of its own.
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

  /// Gives an identifier back. Nothing can be done about a failure here: whoever must know that data reached the file
  /// calls `File.close()`. An identifier that closing its file has closed already is no longer valid, nor used again.
  static func release(_ id: hid_t) {
    state.withLock { state in
      state.prepare()
      if H5Iis_valid(id) > 0 { H5Idec_ref(id) }
      H5Eclear2(hid_t(H5E_DEFAULT))
    }
  }

  /// The error stack, the failed function first. Runs under the lock, as part of the call that failed.
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
