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
}
