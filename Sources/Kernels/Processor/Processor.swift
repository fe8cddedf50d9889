import COpenBLAS
import CProcessor
import Foundation

/// The processor's features, compared with those that this program and OpenBLAS use.
public enum Processor {
  /// A feature that this program was compiled for and that this machine lacks, such as `AVX-512F`; nil if there is
  /// none. Without it, the program would crash with an illegal instruction.
  public static var missingFeature: String? { oboro_missing_processor_feature().map { String(cString: $0) } }

  /// The processor type whose kernels OpenBLAS uses, such as `Cooperlake`.
  public static var blasKernels: String { openblas_get_corename().map { String(cString: $0) } ?? "unknown" }

  /// Whether OpenBLAS uses kernels that do not exploit the processor's AVX-512, for instance because of
  /// OPENBLAS_CORETYPE.
  public static var hasLesserBLASKernels: Bool {
    oboro_has_avx512() && !kernelsForAVX512.contains(blasKernels.lowercased())
  }

  private static let kernelsForAVX512 = ["skylakex", "cooperlake", "sapphirerapids"]

  /// The number of threads that OpenBLAS would use by itself, according to its environment; a `ThreadPool` sets it to
  /// one.
  public static var blasThreads: Int { Int(openblas_get_num_threads()) }

  private static let blasVariable = "OPENBLAS_CORETYPE"

  /// Restarts this program with its arguments if OpenBLAS did not recognise the processor.
  ///
  /// OpenBLAS selects its kernels by the processor's model when it is loaded. A processor newer than the library gets
  /// kernels for AVX2 even if it has AVX-512, and products take 1.4 times as long (measured on AMD family 26 with
  /// OpenBLAS 0.3.21). The selection can only be overridden in the environment, before the program starts. Does nothing
  /// if the user has done so. Call this before opening files or starting threads.
  public static func restartWithBetterBLASKernels() {
    guard oboro_has_avx512(), getenv(blasVariable) == nil else { return }
    guard hasLesserBLASKernels else { return }
    // OpenBLAS's own rule for choosing between the two on processors that it knows.
    setenv(blasVariable, oboro_has_avx512_bf16() ? "Cooperlake" : "SkylakeX", 1)
    // By its own path, so that the process keeps the name by which launch/run knows it. Each call returns only on
    // failure; then everything still works, more slowly.
    let program = "/proc/self/exe"
    if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: program) {
      execv(path, CommandLine.unsafeArgv)
    }
    execv(program, CommandLine.unsafeArgv)
  }
}
