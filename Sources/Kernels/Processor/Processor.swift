import COpenBLAS
import CProcessor
import Foundation

/// What the processor at hand offers, against what this program and OpenBLAS make of it.
public enum Processor {
  /// A feature that this program was compiled for and that this machine lacks, such as `AVX-512F`; nil if all is
  /// there. A program that lacks one would end by an illegal instruction somewhere.
  public static var missingFeature: String? { oboro_missing_processor_feature().map { String(cString: $0) } }

  /// The processor type whose kernels OpenBLAS runs, such as `Cooperlake`.
  public static var blasKernels: String { openblas_get_corename().map { String(cString: $0) } ?? "unknown" }

  /// Whether OpenBLAS was told, by OPENBLAS_CORETYPE, to use kernels for less than the processor has.
  public static var hasLesserBLASKernels: Bool {
    oboro_has_avx512() && !kernelsForAVX512.contains(blasKernels.lowercased())
  }

  private static let kernelsForAVX512 = ["skylakex", "cooperlake", "sapphirerapids"]

  /// How many threads OpenBLAS would use by itself, as its environment says; a `ThreadPool` sets it to one.
  public static var blasThreads: Int { Int(openblas_get_num_threads()) }

  private static let blasVariable = "OPENBLAS_CORETYPE"

  /// Starts this program anew, with its arguments, if OpenBLAS did not recognise the processor.
  ///
  /// OpenBLAS chooses its kernels when it is loaded, by the processor's model. One that is newer than the library gets
  /// those for AVX2, even where it has AVX-512: its products then take 1.4 times as long, as measured on AMD's family
  /// 26 with OpenBLAS 0.3.21. The choice can be made in the environment only, before the program starts. Does nothing
  /// if the user has made it. To be called before anything is opened or started.
  public static func restartWithBetterBLASKernels() {
    guard oboro_has_avx512(), getenv(blasVariable) == nil else { return }
    guard hasLesserBLASKernels else { return }
    // The rule by which OpenBLAS itself chooses between the two on processors that it knows.
    setenv(blasVariable, oboro_has_avx512_bf16() ? "Cooperlake" : "SkylakeX", 1)
    // By its own path, so that the process keeps its name, which launch/run knows it by. Each returns only if it fails;
    // then everything works as it is, slower.
    let program = "/proc/self/exe"
    if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: program) {
      execv(path, CommandLine.unsafeArgv)
    }
    execv(program, CommandLine.unsafeArgv)
  }
}
