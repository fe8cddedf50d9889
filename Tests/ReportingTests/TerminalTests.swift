import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct TerminalTests {
  private let terminal: PseudoTerminal
  private let proc: TemporaryDirectory
  private static let parent: Int32 = 4711

  init() throws {
    terminal = try PseudoTerminal(columns: 123)
    proc = try TemporaryDirectory()
    // The process table as it is under mpirun on a terminal; each test changes one thing.
    try link("self/fd/2", to: "pipe:[17]")
    try write("mpirun\n", to: "4711/comm")
    try write("mpirun\0-n\02\0oboro\0train\0--output\0runs/first\0", to: "4711/cmdline")
    try link("4711/fd/2", to: terminal.path)
    try link("4711/fd/28", to: "pipe:[17]")
  }

  private func find() -> TerminalDevice? { LauncherTerminal.find(parent: Self.parent, proc: proc.path) }

  private func prepared(_ name: String) throws -> String {
    let url = URL(filePath: "\(proc.path)/\(name)")
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try? FileManager.default.removeItem(at: url)
    return url.path
  }

  private func write(_ text: String, to name: String) throws {
    try text.write(toFile: prepared(name), atomically: false, encoding: .utf8)
  }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: prepared(name), withDestinationPath: target)
  }

  // MARK: Behind a launcher

  @Test func aRankDrawsOnItsLaunchersTerminal() throws {
    let device = try #require(find())
    #expect(device.width == 123)
    terminal.resize(columns: 61)
    #expect(device.width == 61)
  }

  @Test(arguments: ["mpiexec", "orterun", "prterun"])
  func launchersHaveSeveralNames(_ name: String) throws {
    try write("\(name)\n", to: "4711/comm")
    #expect(find() != nil)
  }

  @Test(arguments: ["orted", "bash", "mpirunner", ""])
  func otherParentsAreNoLaunchers(_ name: String) throws {
    try write("\(name)\n", to: "4711/comm")
    #expect(find() == nil)
  }

  @Test func aPipeToSomebodyElseIsLeftAlone() throws {
    try link("self/fd/2", to: "pipe:[18]")
    #expect(find() == nil)
  }

  @Test func aFileIsNoTerminal() throws {
    try link("self/fd/2", to: "/tmp/errors.txt")
    try link("4711/fd/28", to: "/tmp/errors.txt")
    #expect(find() == nil)
  }

  @Test(arguments: ["/dev/null", "/etc/passwd", "/nowhere", "pipe:[3]"])
  func aLauncherWithoutATerminalHasNone(_ target: String) throws {
    try link("4711/fd/2", to: target)
    #expect(find() == nil)
  }

  @Test(arguments: [
    "--tag-output", "-timestamp-output", "-xml", "--output-filename", "-merge-stderr-to-stdout",
  ])
  func linesThatTheLauncherAltersAreNotRewritten(_ option: String) throws {
    try write("mpirun\0\(option)\0-n\02\0oboro\0", to: "4711/cmdline")
    #expect(find() == nil)
  }

  @Test func aParentThatIsGoneHasNone() {
    #expect(LauncherTerminal.find(parent: 1234, proc: proc.path) == nil)
  }

  // MARK: What follows from it

  @Test func aTerminalIsRewrittenAndColoured() {
    let error = StandardError(environment: ["TERM": "xterm", "COLUMNS": "70"], device: find())
    #expect(error.isInteractive && error.showsProgress && error.hasColours)
    #expect(error.width == 123)
  }

  @Test func aDumbTerminalIsNot() {
    let error = StandardError(environment: ["TERM": "dumb"], device: find())
    #expect(find() != nil)
    #expect(!error.isInteractive && !error.hasColours)
  }

  @Test func colourCanBeRefused() {
    let error = StandardError(environment: ["NO_COLOR": "1"], device: find())
    #expect(error.isInteractive && !error.hasColours)
  }

  @Test func theEnvironmentOverridesWhatIsSeen() throws {
    let device = try #require(find())
    func error(_ style: String, _ device: TerminalDevice?) -> StandardError {
      StandardError(environment: ["OBORO_PROGRESS": style], device: device)
    }
    #expect(error("bar", nil).isInteractive && !error("bar", nil).hasColours)
    #expect(!error("lines", device).isInteractive && error("lines", device).showsProgress)
    #expect(!error("none", device).isInteractive && !error("none", device).showsProgress)
    #expect(error("unknown", device).isInteractive && !error("unknown", nil).isInteractive)
  }

  @Test(arguments: [([:], 80), (["COLUMNS": "132"], 132), (["COLUMNS": "0"], 80), (["COLUMNS": "wide"], 80)])
  func withoutATerminalTheEnvironmentTellsTheWidth(_ environment: [String: String], _ width: Int) {
    #expect(StandardError(environment: environment, device: nil).width == width)
  }

  @Test func aTerminalThatDoesNotKnowItsWidthFallsBack() {
    terminal.resize(columns: 0)
    #expect(find() != nil)
    #expect(StandardError(environment: ["COLUMNS": "91"], device: find()).width == 91)
  }
}

/// A terminal without a window.
private final class PseudoTerminal {
  private let controller: Int32
  /// Of the side that programs write to.
  let path: String

  // Linux's numbers: Swift sees neither these macros nor `unlockpt` and `ptsname`.
  private static let unlock: UInt = 0x4004_5431  // TIOCSPTLCK
  private static let number: UInt = 0x8004_5430  // TIOCGPTN

  init(columns: UInt16) throws {
    controller = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (isLocked, number): (Int32, Int32) = (0, 0)
    guard ioctl(controller, Self.unlock, &isLocked) == 0, ioctl(controller, Self.number, &number) == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
    path = "/dev/pts/\(number)"
    resize(columns: columns)
  }

  deinit { close(controller) }

  func resize(columns: UInt16) {
    var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(controller, UInt(TIOCSWINSZ), &size)
  }
}
