// swift-tools-version: 6.1

import PackageDescription

/// The processor that the numeric code is compiled for, as clang's `-march` names it. `native` is the building
/// machine's own; a cluster of mixed processors sets `OBORO_MARCH` to the oldest of them, such as `x86-64-v3`.
let processor = Context.environment["OBORO_MARCH"] ?? "native"

/// Every target is compiled for one processor: vectors cross target borders, and must be passed alike on both sides.
let common: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(processor)"])]

let package = Package(
  name: "Oboro",
  products: [.executable(name: "oboro", targets: ["Oboro"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  // Each target names every module that it imports: what is only reached through another target is not rebuilt with it.
  targets: [
    // C libraries: accessors for what Swift cannot see, nothing else.
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-pthread-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    // No pkg-config: what Debian's file says of libavif makes SwiftPM warn in every build. The module map links it.
    .systemLibrary(name: "CGD", providers: [.apt(["libgd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CProcessor"),

    // Foundations, which know nothing of each other.
    .target(name: "Randomness", swiftSettings: common),
    .target(name: "Files", dependencies: ["CCrypto"], swiftSettings: common),
    .target(name: "Settings", dependencies: ["Yams"], swiftSettings: common),
    .target(name: "MPI", dependencies: ["COpenMPI"], swiftSettings: common),
    .target(name: "HDF5", dependencies: ["CHDF5"], swiftSettings: common),
    .target(name: "Kernels", dependencies: ["COpenBLAS", "CProcessor"], swiftSettings: common),
    .target(name: "Vigilance", swiftSettings: common),

    // Networks.
    .target(name: "Tensors", dependencies: ["Kernels"], swiftSettings: common),
    .target(name: "Layers", dependencies: ["Tensors", "Kernels", "Randomness"], swiftSettings: common),
    .target(name: "Models", dependencies: ["Layers", "Tensors", "Settings"], swiftSettings: common),
    .target(
      name: "Diffusion", dependencies: ["Tensors", "Kernels", "Randomness", "Settings"],
      swiftSettings: common),

    // Files that people see.
    .target(name: "Safetensors", dependencies: ["Files"], swiftSettings: common),
    .target(name: "Pictures", dependencies: ["CGD", "CZlib", "Files"], swiftSettings: common),
    .target(
      name: "Datasets", dependencies: ["HDF5", "Files", "Pictures", "Randomness", "CZlib"],
      swiftSettings: common),
    .target(
      name: "Reporting", dependencies: ["Files", .product(name: "Logging", package: "swift-log")],
      swiftSettings: common),

    // How good images are.
    .target(
      name: "Evaluation",
      dependencies: ["Datasets", "Safetensors", "Pictures", "Files", "Kernels", "MPI", "COpenBLAS"],
      swiftSettings: common),

    // Training.
    .target(name: "DataParallel", dependencies: ["MPI", "Tensors", "Kernels"], swiftSettings: common),
    .target(
      name: "Training",
      dependencies: [
        "Models", "Diffusion", "Datasets", "DataParallel", "Layers", "Tensors", "Kernels", "MPI", "HDF5",
        "Safetensors", "Pictures", "Randomness", "Reporting", "Settings", "Files", "Vigilance", "CProcessor",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: common),
    .target(
      name: "RunReports", dependencies: ["Training", "Reporting", "Settings", "Files"], swiftSettings: common),
    .target(
      name: "Diagnosis",
      dependencies: ["Training", "Datasets", "Kernels", "MPI", "HDF5", "Settings", "Files", "Vigilance"],
      swiftSettings: common),
    .executableTarget(
      name: "Oboro",
      dependencies: [
        "Diagnosis", "RunReports", "Training", "Evaluation", "Models", "Diffusion", "Datasets",
        "DataParallel", "Tensors",
        "Kernels", "MPI", "HDF5",
        "Safetensors", "Pictures", "Reporting", "Settings", "Files",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: common),

    // Tests, which mirror the sources. Those of MPI start real jobs of programs that check themselves.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: common),
    .executableTarget(
      name: "MPIPrograms", dependencies: ["MPI"], path: "Tests/MPIPrograms", swiftSettings: common),
    .testTarget(
      name: "MPITests", dependencies: ["MPI", "MPIPrograms", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "DatasetsTests",
      dependencies: ["Datasets", "HDF5", "Files", "Pictures", "Randomness", "CGD", "CZlib", "TestSupport"],
      exclude: ["Fixtures"], swiftSettings: common),
    .testTarget(name: "HDF5Tests", dependencies: ["HDF5"], exclude: ["Fixtures"], swiftSettings: common),
    .testTarget(name: "FilesTests", dependencies: ["Files"], swiftSettings: common),
    .testTarget(name: "RunReportsTests", dependencies: ["RunReports", "TestSupport"], swiftSettings: common),
    .testTarget(name: "DiagnosisTests", dependencies: ["Diagnosis"], swiftSettings: common),
    .testTarget(name: "VigilanceTests", dependencies: ["Vigilance"], swiftSettings: common),
    .testTarget(
      name: "SafetensorsTests", dependencies: ["Safetensors", "Files", "TestSupport"], swiftSettings: common),
    .testTarget(name: "SettingsTests", dependencies: ["Settings", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "PicturesTests", dependencies: ["Pictures", "Files", "CGD", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "ReportingTests",
      dependencies: ["Reporting", "Files", "TestSupport", .product(name: "Logging", package: "swift-log")],
      swiftSettings: common),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Evaluation", "Datasets", "Pictures", "Safetensors", "Files", "Kernels", "NumericsTestSupport",
        "TestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "Diffusion", "Models", "Layers", "Tensors", "Kernels", "Pictures", "Settings", "Files",
        "CProcessor", "TestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "OboroTests",
      dependencies: [
        "Oboro", "TestSupport", "HDF5", "Safetensors", "Files", "Pictures", "Reporting", "Settings",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: common),

    // Tests of the numeric modules.
    .target(
      name: "NumericsTestSupport", dependencies: ["Kernels", "Randomness", "Safetensors"],
      path: "Tests/NumericsTestSupport", swiftSettings: common),
    .testTarget(name: "RandomnessTests", dependencies: ["Randomness"], swiftSettings: common),
    .testTarget(
      name: "KernelsTests", dependencies: ["Kernels", "NumericsTestSupport"], swiftSettings: common),
    .testTarget(
      name: "TensorsTests", dependencies: ["Tensors", "Kernels", "NumericsTestSupport", "TestSupport"],
      swiftSettings: common),
    .testTarget(
      name: "LayersTests",
      dependencies: ["Layers", "Tensors", "Kernels", "Randomness", "NumericsTestSupport"],
      swiftSettings: common),
    .testTarget(
      name: "ModelsTests",
      dependencies: [
        "Models", "Layers", "Tensors", "Kernels", "Settings", "Safetensors", "NumericsTestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "DiffusionTests",
      dependencies: ["Diffusion", "Tensors", "Kernels", "Settings", "Randomness", "NumericsTestSupport"],
      swiftSettings: common),
    .executableTarget(
      name: "DataParallelPrograms", dependencies: ["DataParallel", "MPI", "Randomness"],
      path: "Tests/DataParallelPrograms", swiftSettings: common),
    .testTarget(
      name: "DataParallelTests",
      dependencies: ["DataParallel", "DataParallelPrograms", "TestSupport", "NumericsTestSupport"],
      swiftSettings: common),
  ],
  swiftLanguageModes: [.v6]
)
