import Datasets
import Files
import Foundation
import Pictures
import Testing

/// Names are bytes, and nothing that has one is passed over without a word.
@Suite struct FolderNameTests {
  private func picture(_ seed: Int) -> Picture {
    Picture(width: 2, height: 2, channels: 1, samples: (0..<4).map { UInt8($0 * 7 + seed) })
  }

  private func png(_ seed: Int) throws -> Data {
    try withTemporaryDirectory { directory in
      try picture(seed).writePNG(to: "\(directory)/a.png")
      return try content("\(directory)/a.png")
    }
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// Makes a folder, and in it files of pictures, by bytes.
  private func make(_ folder: [UInt8], _ files: [[UInt8]], in directory: String) throws {
    func path(_ parts: [UInt8]...) -> [CChar] {
      (bytes(directory) + parts.flatMap { [RawPath.slash] + $0 }).map { CChar(bitPattern: $0) } + [0]
    }
    try #require(mkdir(path(folder), 0o755) == 0 || errno == EEXIST)
    for (number, file) in files.enumerated() {
      let descriptor = open(path(folder, file), O_WRONLY | O_CREAT, 0o644)
      try #require(descriptor >= 0)
      let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      try handle.write(contentsOf: png(number))
    }
  }

  private func source(_ folder: ImageFolder) throws -> ImageFolderSource {
    try ImageFolderSource(folder, name: "test", split: .train)
  }

  /// Of old ZIP files, and of Windows' and Japanese archives.
  @Test func namesNeedNotBeUTF8() throws {
    try withTemporaryDirectory { directory in
      let latin: [UInt8] = bytes("caf") + [0xE9]
      let japanese: [UInt8] = [0x94, 0x4C]
      try make(latin, [bytes("1.png"), [0xE9] + bytes(".PNG")], in: directory)
      try make(japanese, [bytes("a\\x.png")], in: directory)
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["caf\\xE9", "\\x94L"])
      #expect(folder.files.map(\.label) == [0, 0, 1] && folder.files.allSatisfy { $0.problem == nil })
      #expect(
        folder.files.map { "\($0.path)".dropFirst(directory.count) } == [
          "/caf\\xE9/1.png", "/caf\\xE9/\\xE9.PNG", "/\\x94L/a\\x5Cx.png",
        ])
      let images = try source(folder)
      for (index, seed) in [0, 1, 0].enumerated() {
        #expect(try images.image(index).pixels == picture(seed).samples)
      }
      // A folder whose own name is such.
      let below = try ImageFolder(RawPath(bytes: bytes(directory) + [RawPath.slash] + latin))
      #expect(below.classNames == [] && below.files.count == 2)
    }
  }

  @Test func whatLeadsNowhereIsNamed() throws {
    try withTemporaryDirectory { directory in
      try make(bytes("cat"), [bytes("1.png")], in: directory)
      for (name, target) in [
        ("dog", "nowhere"), ("cat/2.png", "nowhere"), ("self", "self"), ("cat/up", ".."), ("ten", "1.png/x"),
      ] {
        try #require(symlink(target, "\(directory)/\(name)") == 0)
      }
      try #require(mkfifo("\(directory)/cat/pipe.png", 0o600) == 0)
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["cat"])
      let left = folder.files.filter { $0.problem != nil }.map {
        ("\($0.path)".dropFirst(directory.count + 1), $0.problem ?? "")
      }
      let expected = [
        ("cat/2.png", "cannot be read: it is a link to what is not there"),
        ("cat/pipe.png", "is a pipe, not a plain file"),
        ("cat/up", "is a link to a folder that it lies in"),
        ("dog", "cannot be read: it is a link to what is not there"),
        ("self", "cannot be read: Too many levels of symbolic links"),
        ("ten", "cannot be read: it is a link to what is not there"),
      ]
      #expect(left.map { "\($0.0): \($0.1)" } == expected.map { "\($0.0): \($0.1)" })
      var reasons: [String] = []
      let manifest = try DatasetWriter(directory: "\(directory)/out").writeReadable(
        source(folder), skip: { reasons.append("\($0)") })
      #expect(manifest.count == 1)
      #expect(reasons == expected.map { "\(directory)/\($0.0): \($0.1)" })
      #expect(throws: DatasetError.self) {
        try DatasetWriter(directory: "\(directory)/strict").writeReadable(source(folder), skip: { throw $0 })
      }
    }
  }

  /// The system takes no path of 4096 bytes, but such files are there.
  @Test func pathsMayBeLongerThanTheSystemTakes() throws {
    try withTemporaryDirectory { directory in
      let part = [CChar](repeating: CChar(UInt8(ascii: "d")), count: 250) + [0]
      try make(bytes("top"), [bytes("0.png")], in: directory)
      var folder = open("\(directory)/top", O_RDONLY | O_DIRECTORY)
      for _ in 0..<40 {
        try #require(mkdirat(folder, part, 0o755) == 0)
        let next = openat(folder, part, O_RDONLY | O_DIRECTORY)
        close(folder)
        folder = next
      }
      let file = openat(folder, "deep.png", O_WRONLY | O_CREAT, 0o644)
      close(folder)
      try FileHandle(fileDescriptor: file, closeOnDealloc: true).write(contentsOf: png(5))
      defer {
        // Foundation cannot remove it.
        let remover = Process()
        remover.executableURL = URL(filePath: "/bin/rm")
        remover.arguments = ["-rf", "\(directory)/top"]
        try? remover.run()
        remover.waitUntilExit()
      }
      let images = try source(ImageFolder(directory))
      #expect(images.count == 2 && images.classNames == ["top"])
      #expect(try images.image(0).pixels == picture(0).samples)
      #expect(try images.image(1).pixels == picture(5).samples)
    }
  }

  /// Root may look into everything: as root, this thread does so as another user.
  @Test func aFolderThatMayNotBeListedIsLeftOut() throws {
    try withTemporaryDirectory { directory in
      try #require(chmod(directory, 0o755) == 0)
      for name in ["cat", "dog", "elk"] { try make(bytes(name), [bytes("1.png")], in: directory) }
      chmod("\(directory)/dog", 0)
      chmod("\(directory)/elk/1.png", 0)
      // Not among what Swift sees of the C library.
      typealias SetFileSystemUser = @convention(c) (uid_t) -> Int32
      let symbol = try #require(dlsym(nil, "setfsuid"))
      let setFileSystemUser = unsafeBitCast(symbol, to: SetFileSystemUser.self)
      _ = setFileSystemUser(geteuid() == 0 ? 65534 : geteuid())
      defer {
        _ = setFileSystemUser(geteuid())
        chmod("\(directory)/dog", 0o755)
      }
      let folder = try ImageFolder(directory)
      let images = try source(folder)
      let found = folder.files.map { "\($0.path)".dropFirst(directory.count) }
      #expect(found == ["/cat/1.png", "/dog", "/elk/1.png"])
      #expect(folder.files[1].problem == "cannot be listed: Permission denied")
      #expect(try images.image(0).pixels == picture(0).samples)
      for index in [1, 2] {
        let error = #expect(throws: DatasetError.self) { try images.image(index) }
        #expect(error?.kind == .badData && error?.problem.contains("Permission denied") == true)
      }
    }
  }

  @Test func oneNameInTwoFormsIsOneClassAndSaid() throws {
    try withTemporaryDirectory { directory in
      let (composed, decomposed) = (bytes("caf\u{E9}"), bytes("cafe\u{301}"))
      try make(decomposed, [bytes("1.png")], in: directory)
      try make(composed, [bytes("2.png")], in: directory)
      try make(bytes("tea"), [bytes("3.png")], in: directory)
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["caf\u{E9}", "tea"])
      #expect(folder.classNames[0].utf8.elementsEqual(composed))
      #expect(folder.files.map(\.label).sorted() == [0, 0, 1])
      #expect(folder.equalNames.count == 1 && folder.equalNames.first?.name == "caf\u{E9}")
      #expect(Set(folder.equalNames.first?.spellings ?? []) == [composed, decomposed])
    }
  }

  @Test func numbersInNamesAreNumbers() throws {
    try withTemporaryDirectory { directory in
      for name in ["10", "2", "1", "b-100", "b-99", "b-099", "B", "n02106662", "n1"] {
        try make(bytes(name), [bytes("x10.png"), bytes("x9.png")], in: directory)
      }
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["1", "2", "10", "B", "b-99", "b-099", "b-100", "n1", "n02106662"])
      #expect("\(folder.files[0].path)".hasSuffix("/1/x9.png"))
      // Far beyond what a number holds.
      let large = String(repeating: "9", count: 40)
      for name in [large, "1" + large] { try make(bytes(name), [bytes("x.png")], in: directory) }
      #expect(try ImageFolder(directory).classNames[3...4] == [large, "1" + large])
    }
  }

  @Test func classesWithoutImagesAreKnown() throws {
    try withTemporaryDirectory { directory in
      try make(bytes("good"), [bytes("1.png")], in: directory)
      try make(bytes("bad"), [], in: directory)
      for number in 0..<3 { try write([1, 2], to: "\(directory)/bad/\(number).png") }
      try make(bytes("phone"), [], in: directory)
      try write(bytes("\0\0\0\u{18}ftypheic"), to: "\(directory)/phone/1.HEIC")
      let folder = try ImageFolder(directory)
      #expect(folder.classNames == ["bad", "good", "phone"] && folder.unread == ["heic": 1])
      let images = try source(folder)
      var reasons: [String] = []
      try DatasetWriter(directory: "\(directory)/out").writeReadable(
        images, skip: { reasons.append("\($0)") })
      #expect(images.classesWithoutImages.map(\.name) == ["bad", "phone"])
      #expect(
        images.classesWithoutImages.map(\.label) == [0, 2] && images.classesWithoutImages[0].count == 3)
      #expect(
        reasons.last
          == "\(directory)/phone/1.HEIC: is a HEIC picture, which is not read: convert it to PNG or JPEG")
    }
  }
}
