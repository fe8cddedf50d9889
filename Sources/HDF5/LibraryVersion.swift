import CHDF5

/// The version of libhdf5 used by this process, such as `1.10.8`.
public enum LibraryVersion {
  public static var text: String {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    let place = Place(file: "libhdf5", object: nil)
    guard (try? Library.call("H5get_libversion", place) { H5get_libversion(&major, &minor, &release) }) != nil
    else { return "unknown" }
    return "\(major).\(minor).\(release)"
  }
}
