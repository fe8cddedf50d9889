import Configuration
import Datasets
import Files
import Foundation
import Interchange
import Kernels
import MPI
import Settings

/// Checks what this machine, or the machines of all ranks, provide and lack.
public struct SystemCheck {
  /// What to check in addition to the machines.
  public struct Subjects: Sendable {
    public var configuration: String?
    public var overrides: [String]
    /// A run directory, which need not exist yet.
    public var output: String?

    public init(configuration: String? = nil, overrides: [String] = [], output: String? = nil) {
      self.configuration = configuration
      self.overrides = overrides
      self.output = output
    }
  }

  private let facts: [RankFacts]
  private let findings: [Finding]

  /// The size of the timed sum over all ranks: 4 MiB, the size of a gradient bucket.
  private static let summedNumbers = 1 << 20

  /// Runs all checks. Collective.
  ///
  /// - Parameter environment: the environment before MPI changed it.
  /// - Throws: `MPIError`.
  public init(
    _ subjects: Subjects, threads: Int, environment: [String: String], session: Session
  ) throws {
    let world = session.world
    let blasThreads = Processor.blasThreads
    var own = RankFacts.own(
      rank: world.rank, host: world.hostName, launcher: session.launcher?.name ?? "no launcher",
      threads: threads, blasThreads: blasThreads, environment: environment)
    (own.clockAhead, own.clockTolerance) = try Measurements.clocks(on: world)
    Self.look(at: subjects, of: world.size, &own)
    // Measured on all ranks simultaneously, to reveal contention between them.
    try world.barrier()
    own.gigaflopsPerSecond = PeakArithmetic.flopsPerSecond(pool: ThreadPool(threadCount: threads)) * 1e-9

    let text = String(decoding: try JSONEncoder().encode(own), as: UTF8.self)
    facts = try world.allGather(text).map { try JSONDecoder().decode(RankFacts.self, from: Data($0.utf8)) }
    var findings = DiagnosticChecks(facts).findings
    if world.size > 1 {
      let seconds = try Measurements.allReduce(count: Self.summedNumbers, rounds: 5, on: world)
      findings.append(
        Finding(
          "sum over the ranks",
          String(format: "%d MiB in %.1f ms", Self.summedNumbers * 4 >> 20, seconds * 1e3)))
    }
    self.findings = findings
  }

  /// Checks the given subjects from this rank's point of view.
  private static func look(at subjects: Subjects, of rankCount: Int, _ facts: inout RankFacts) {
    if let file = subjects.configuration {
      do {
        let configuration = try TrainingConfiguration(
          completing: SettingsNode(contentsOfFile: file).applying(overrides: subjects.overrides))
        facts.configuration = .init(path: file, digest: SHA256.digest(of: configuration.resolved.json))
        let path = configuration.dataset.path
        do {
          let dataset = try ShardedDataset(directory: path)
          try dataset.check(part: facts.rank, of: rankCount)
          facts.dataset = .init(path: path, digest: dataset.digest)
        } catch {
          facts.dataset = .init(path: path, problem: "\(error)")
        }
      } catch {
        facts.configuration = .init(path: file, problem: "\(error)")
      }
    }
    if let output = subjects.output {
      // The run directory need not exist yet, but it must be possible to create it.
      let files = FileManager.default
      var folder = output
      while !files.fileExists(atPath: folder), !folder.isEmpty, folder != "/" {
        folder = URL(fileURLWithPath: folder).deletingLastPathComponent().path
      }
      do {
        facts.writeBytesPerSecond = try Measurements.write(bytes: 16 << 20, in: folder, rank: facts.rank)
        facts.output = .init(path: output)
      } catch {
        facts.output = .init(path: output, problem: "\(error)")
      }
    }
  }

  /// Whether no problem prevents training.
  public var isGood: Bool { findings.allSatisfy { $0.level < .problem } }

  /// One line per finding, each followed by its remedy.
  public var text: String {
    let width = findings.map(\.subject.count).max() ?? 0
    let lines = findings.map { finding in
      let mark =
        switch finding.level {
        case .fine: "   "
        case .advice: " ! "
        case .problem: "!! "
        }
      let subject = finding.subject.padding(toLength: width, withPad: " ", startingAt: 0)
      let remedy = finding.remedy.map { "\n\(String(repeating: " ", count: width + 5))-> \($0)" } ?? ""
      return "\(mark)\(subject)  \(finding.text)\(remedy)"
    }
    let (problems, advice) = (findings.count { $0.level == .problem }, findings.count { $0.level == .advice })
    let verdict =
      problems + advice == 0
      ? "Nothing stands in the way."
      : "Problems: \(problems), advice: \(advice)."
    return (lines + [verdict, ""]).joined(separator: "\n")
  }

  public var json: String {
    get throws {
      struct Report: Encodable {
        let ok: Bool
        let ranks: Int
        let findings: [Finding]
        let facts: [RankFacts]
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      encoder.keyEncodingStrategy = .convertToSnakeCase
      let report = Report(ok: isGood, ranks: facts.count, findings: findings, facts: facts)
      return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
    }
  }
}
