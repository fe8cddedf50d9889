import Files
import Foundation
import Pictures
import Testing

/// A file of `Tests/Fixtures/pictures`, and what `Fixtures/generators/pictures.py` says that it shows.
struct GoldenPicture: Decodable, Sendable, CustomTestStringConvertible {
  struct Content: Decodable, Sendable {
    let height: Int?
    let width: Int?
    /// The largest difference of a sample.
    let limit: Int?
    /// The place in `File.pixels`.
    let pixels: Int?
    /// A part of the reason for which the file is refused.
    let refused: String?
  }

  struct File: Decodable {
    let files: [String: Content]
    /// [height, width, 3], base64.
    let pixels: [Data]
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/pictures").path
  static let golden = Result {
    try JSONDecoder().decode(File.self, from: Data(WholeFile.read("\(folder)/golden.json")))
  }
  static var all: [GoldenPicture] {
    get throws {
      try golden.get().files.map { GoldenPicture(name: $0, content: $1) }.sorted { $0.name < $1.name }
    }
  }

  let name: String
  let content: Content
  var path: String { "\(Self.folder)/\(name)" }
  var testDescription: String { name }
}

/// Every form of every format against Pillow, or against known pixels where Pillow reads it otherwise.
@Suite struct GoldenPictureTests {
  @Test(arguments: try GoldenPicture.all.filter { $0.content.refused == nil })
  func showsWhatItShall(_ golden: GoldenPicture) throws {
    let file = try ImageFile(golden.path)
    let picture = try file.decode()
    #expect(try ImageFile.header(of: golden.path) == file.header)
    #expect((file.header.width, file.header.height) == (picture.width, picture.height))
    #expect((picture.width, picture.height) == (golden.content.width, golden.content.height))
    let expected = try GoldenPicture.golden.get().pixels[try #require(golden.content.pixels)]
    try #require(picture.samples.count == expected.count)
    let difference = zip(picture.samples, expected).map { abs(Int($0) - Int($1)) }.max() ?? 0
    #expect(difference <= golden.content.limit ?? 0)
    // A picture that is said to hold greys only holds no others.
    if file.header.isGrey {
      #expect(try file.decode(channels: 1).samples.flatMap { [$0, $0, $0] } == picture.samples)
    }
  }

  @Test(arguments: try GoldenPicture.all.filter { $0.content.refused != nil })
  func isRefusedForWhatItLacks(_ golden: GoldenPicture) throws {
    let error = #expect(throws: PictureError.self) { try ImageFile(golden.path).decode() }
    #expect(error?.path == golden.path)
    #expect(error?.reason.contains(golden.content.refused ?? "") == true, "\(error as Any)")
  }

  @Test func thereAreAll() throws {
    #expect(try GoldenPicture.all.count == 216)
    let files = try FileManager.default.contentsOfDirectory(atPath: GoldenPicture.folder)
    #expect(try Set(files) == Set(GoldenPicture.all.map(\.name) + ["golden.json"]))
  }
}
