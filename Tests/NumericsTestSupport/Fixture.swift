import Foundation
import Safetensors

/// Golden values: `Tests/Fixtures`, where `generators` holds the programs that wrote them.
public enum Fixture {
  public static func url(_ name: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(components: "Fixtures", name)
  }

  /// The file `name`.safetensors.
  public static func safetensors(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(path: url("\(name).safetensors").path)
  }

  /// The safetensors files of `folder`, as `safetensors` takes them but without the folder.
  public static func safetensorsNames(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url(folder).path)
      .filter { $0.hasSuffix(".safetensors") }
      .map { String($0.dropLast(".safetensors".count)) }.sorted()
  }
}
