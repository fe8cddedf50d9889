import CGD
import Datasets
import Files
import Foundation
import Pictures
import Testing

@Suite("Folders of pictures")
struct PictureFolderTests {
  /// A picture that differs from others in every sample.
  private static func picture(_ seed: Int, _ width: Int = 6, _ height: Int = 5, channels: Int = 3) -> Picture
  {
    Picture(
      width: width, height: height, channels: channels,
      samples: (0..<width * height * channels).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 31) })
  }

  /// Writes PNG pictures of one size, by paths below `directory`; numbered as they come.
  private func draw(_ paths: [String], in directory: String, channels: Int = 3) throws {
    for (seed, path) in paths.enumerated() {
      try draw(Self.picture(seed, channels: channels), to: "\(directory)/\(path)")
    }
  }

  private func draw(_ picture: Picture, to path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try picture.writePNG(to: path)
  }

  private func source(
    _ directory: String, _ form: ImageFolderSource.Form = .init(), threads: Int = 1
  ) throws -> ImageFolderSource {
    try ImageFolderSource(
      ImageFolder(directory), name: "test", split: .train, form: form, threadCount: threads)
  }

  @Test func foldersBelowAreClassesInNaturalOrder() throws {
    try withTemporaryDirectory { directory in
      let paths = ["b/z/2.png", "b/1.PNG", "a/3.png", "Z/0.png", "9.png", "a/é.png", "a/e.png"]
      try draw(paths, in: directory)
      for other in ["notes.txt", "b/1.txt", "b/Thumbs.db", ".hidden.png", "b/.cache/x.png"] {
        let path = "\(directory)/\(other)"
        try FileManager.default.createDirectory(
          atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
          withIntermediateDirectories: true)
        try write([1], to: path)
      }
      try FileManager.default.createDirectory(
        atPath: "\(directory)/empty", withIntermediateDirectories: false)
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["Z", "a", "b"])
      #expect(folder.otherCount == 2)
      let expected = [
        ("9.png", -1), ("Z/0.png", 0), ("a/3.png", 1), ("a/e.png", 1), ("a/é.png", 1), ("b/1.PNG", 2),
        ("b/z/2.png", 2),
      ]
      #expect(folder.files.map { "\($0.path)" } == expected.map { "\(directory)/\($0.0)" })
      #expect(folder.files.map(\.label) == expected.map { Int32($0.1) })

      let images = try source(directory)
      for (index, (path, label)) in expected.enumerated() {
        let seed = try #require(paths.firstIndex(of: path))
        let image = try images.image(index)
        #expect(image.pixels == Self.picture(seed).samples && image.label == label)
      }
    }
  }

  @Test func picturesWithoutFoldersHaveNoClasses() throws {
    try withTemporaryDirectory { directory in
      try draw(["a.png", "b.png"], in: directory)
      let images = try source("\(directory)/")
      #expect(images.classNames == [] && images.count == 2)
      #expect(try images.image(1).label == -1)
      #expect(try images.image(1).pixels == Self.picture(1).samples)
    }
  }

  @Test func linksAreFollowedButNotInCircles() throws {
    try withTemporaryDirectory { directory in
      try draw(["real/a.png"], in: directory)
      for (name, target) in [
        ("linked", "real"), ("real/up", ".."), ("real/b.png", "a.png"), ("c.png", "none"),
      ] {
        #expect(symlink(target, "\(directory)/\(name)") == 0)
      }
      let folder = try ImageFolder(directory)
      let names = folder.files.map { "\($0.path)".dropFirst(directory.count + 1) }
      #expect(
        names == [
          "c.png", "linked/a.png", "linked/b.png", "linked/up", "real/a.png", "real/b.png", "real/up",
        ])
      let circles = folder.files.filter { $0.problem == "is a link to a folder that it lies in" }
      #expect(circles.map { "\($0.path)" } == ["\(directory)/linked/up", "\(directory)/real/up"])
      let error = #expect(throws: DatasetError.self) { try source(directory).image(0) }
      #expect(error?.description.contains("c.png: cannot") == true && error?.kind == .badData)
    }
  }

  @Test func aFolderWithoutPicturesIsRefused() throws {
    try withTemporaryDirectory { directory in
      for (path, problem) in [(directory, "holds no pictures"), ("\(directory)/none", "is not a directory")] {
        let error = #expect(throws: DatasetError.self) { try ImageFolder(path) }
        #expect(error?.path == path && error?.description.contains(problem) == true)
      }
    }
  }

  @Test func greyOnlyIfAllAre() throws {
    try withTemporaryDirectory { directory in
      try draw(["a.png", "b.png"], in: directory, channels: 1)
      #expect(try source(directory).channels == 1)
      #expect(try source(directory).image(1).pixels == Self.picture(1, channels: 1).samples)
      let red = PictureColour(red: 255, green: 0, blue: 0)
      #expect(try source(directory, .init(background: red)).channels == 3)
      try Self.picture(2).writePNG(to: "\(directory)/c.png")
      #expect(try source(directory).channels == 3)
      #expect(
        try source(directory, .init(channels: 1)).image(0).pixels == Self.picture(0, channels: 1).samples)
    }
  }

  @Test func differingSizesAreNamedUnlessOneIsGiven() throws {
    try withTemporaryDirectory { directory in
      try draw(["a.png", "b.png"], in: directory)
      let large = Self.picture(2, 8, 12)
      try large.writePNG(to: "\(directory)/c.png")
      let error = #expect(throws: DatasetError.self) { try source(directory) }
      let problem =
        "its pictures differ in size (height x width): \(directory)/a.png is 5 x 6, \(directory)/c.png 12 x 8; "
        + "bring all to one size with --size"
      #expect(error?.problem == problem)
      for form in [ImageFolderSource.Form(size: (4, 6)), .init(size: (4, 6), channels: 3)] {
        let images = try source(directory, form)
        #expect((images.height, images.width, images.channels) == (4, 6, 3))
        #expect(try images.image(2).pixels == large.fitted(width: 6, height: 4).samples)
      }
    }
  }

  @Test func unreadablePicturesAreLeftOutAndListed() throws {
    try withTemporaryDirectory { directory in
      let (pictures, output) = ("\(directory)/pictures", "\(directory)/data")
      try draw(["a/1.png", "a/2.png", "b/3.png", "b/4.png"], in: pictures)
      let whole = Array(try content("\(pictures)/a/2.png"))
      try write(Array(whole.prefix(whole.count / 2)), to: "\(pictures)/a/2.png")
      try write([], to: "\(pictures)/b/0.jpg")
      var reasons: [String] = []
      var progress: [Int] = []
      let manifest = try DatasetWriter(directory: output, shardCount: 2).writeReadable(
        source(pictures), progress: { progress.append($0) }, skip: { reasons.append("\($0)") })
      #expect(manifest.count == 3 && manifest.shards.map(\.count) == [1, 2])
      #expect(progress.last == 5)
      #expect(reasons.count == 2)
      #expect(reasons[0].hasPrefix("\(pictures)/a/2.png: is a damaged or unusual PNG picture"))
      #expect(reasons[1] == "\(pictures)/b/0.jpg: is empty")
      let list = String(decoding: try content("\(output)/unreadable.txt"), as: UTF8.self)
      #expect(list == reasons.map { $0 + "\n" }.joined())
      let dataset = try ShardedDataset(directory: output)
      try dataset.verify()
      #expect(dataset.classNames == ["a", "b"])
      for (index, (seed, label)) in [(0, 0), (2, 1), (3, 1)].enumerated() {
        let image = try dataset.image(index)
        #expect(image.pixels == Self.picture(seed).samples && image.label == Int32(label))
      }

      // Mended, the list goes.
      try write(whole, to: "\(pictures)/a/2.png")
      unlink("\(pictures)/b/0.jpg")
      try DatasetWriter(directory: output, shardCount: 2).writeReadable(source(pictures), skip: { throw $0 })
      #expect(
        names(in: output) == ["dataset.json", "train-00000-of-00002.h5", "train-00001-of-00002.h5"])
    }
  }

  @Test func nothingIsLeftWhenTheFirstUnreadableOneStops() throws {
    try withTemporaryDirectory { directory in
      let pictures = "\(directory)/pictures"
      try draw(["1.png", "2.png", "3.png"], in: pictures)
      for name in ["2.png", "3.png"] { try write(Array("text".utf8), to: "\(pictures)/\(name)") }
      let writer = DatasetWriter(directory: "\(directory)/data", threadCount: 3)
      for attempt in [{ try writer.write($0) }, { try writer.writeReadable($0, skip: { throw $0 }) }]
        as [(ImageFolderSource) throws -> DatasetManifest]
      {
        let error = #expect(throws: DatasetError.self) { try attempt(source(pictures)) }
        #expect(error?.path == "\(pictures)/2.png")
        #expect(names(in: directory) == ["pictures"])
      }
    }
  }

  @Test func noReadablePictureAtAll() throws {
    try withTemporaryDirectory { directory in
      try FileManager.default.createDirectory(atPath: "\(directory)/p", withIntermediateDirectories: false)
      for name in ["a", "b"] { try write([1, 2], to: "\(directory)/p/\(name).png") }
      let open = #expect(throws: DatasetError.self) { try source("\(directory)/p") }
      #expect(open?.description.contains("none of its 2 pictures can be read; the first: ") == true)
      let writer = DatasetWriter(directory: "\(directory)/data")
      let read = #expect(throws: DatasetError.self) {
        try writer.writeReadable(source("\(directory)/p", .init(size: (4, 4), channels: 3)), skip: { _ in })
      }
      #expect(read?.description.contains("none of the other 1 images can be read either") == true)
      #expect(names(in: directory) == ["p"])
    }
  }

  /// Many pictures a block and several blocks, with gaps in them.
  @Test func threadsDoNotChangeTheBytes() throws {
    try withTemporaryDirectory { directory in
      let pictures = "\(directory)/pictures"
      for seed in 0..<60 {
        let path = "\(pictures)/class-\(seed % 3)/\(seed).png"
        try draw(Self.picture(seed, 20 + seed % 7, 30), to: path)
        if seed % 11 == 5 { try write([0x89, 0x50], to: path) }
      }
      let form = ImageFolderSource.Form(size: (200, 300))
      for threads in [1, 2, 3, 7] {
        try DatasetWriter(directory: "\(directory)/\(threads)", shardCount: 4, threadCount: threads)
          .writeReadable(source(pictures, form, threads: threads), skip: { _ in })
      }
      let files = try #require(names(in: "\(directory)/1"))
      #expect(files.count == 6)
      for threads in [2, 3, 7] {
        #expect(names(in: "\(directory)/\(threads)") == files)
        for name in files {
          #expect(try content("\(directory)/\(threads)/\(name)") == content("\(directory)/1/\(name)"))
        }
      }
    }
  }
}
