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
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .systemLibrary(name: "CTIFF", pkgConfig: "libtiff-4", providers: [.apt(["libtiff-dev"])]),
    .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
    .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CProcessor"),
    .target(name: "CPictureCodecs", dependencies: ["CJPEG", "CPNG", "CTIFF"]),

    // Foundations, which know nothing of each other.
    .target(name: "Randomness", swiftSettings: common),
    .target(name: "Files", dependencies: ["CCrypto"], swiftSettings: common),
    .target(name: "Settings", dependencies: ["Yams"], swiftSettings: common),
    .target(name: "MPI", dependencies: ["COpenMPI"], swiftSettings: common),
    .target(name: "HDF5", dependencies: ["CHDF5"], swiftSettings: common),
    .target(name: "Kernels", dependencies: ["COpenBLAS", "CProcessor"], swiftSettings: common),
    .target(name: "FailureDetection", dependencies: ["CCrypto"], swiftSettings: common),
    .target(name: "Optimization", dependencies: ["Settings"], swiftSettings: common),

    // Networks.
    .target(name: "Tensors", dependencies: ["Kernels"], swiftSettings: common),
    .target(name: "Layers", dependencies: ["Kernels", "Randomness", "Tensors"], swiftSettings: common),
    .target(
      name: "Models", dependencies: ["Kernels", "Layers", "Settings", "Tensors"],
      swiftSettings: common),
    .target(
      name: "Diffusion", dependencies: ["Kernels", "Randomness", "Settings", "Tensors"],
      swiftSettings: common),

    // Texts.
    .target(name: "Text", dependencies: ["CZlib", "Files"], swiftSettings: common),

    // Files that people see.
    .target(name: "Safetensors", dependencies: ["Files"], swiftSettings: common),
    .target(
      name: "Pictures", dependencies: ["CGD", "CPictureCodecs", "CWebP", "CZlib", "Files"],
      swiftSettings: common),
    .target(
      name: "Datasets",
      dependencies: ["CZip", "CZlib", "Files", "HDF5", "Pictures", "Randomness", "Settings"],
      swiftSettings: common),
    .target(
      name: "Reporting", dependencies: ["Files", .product(name: "Logging", package: "swift-log")],
      swiftSettings: common),

    // How good images and models are.
    .target(
      name: "Evaluation",
      dependencies: [
        "COpenBLAS", "Datasets", "Diffusion", "Files", "Kernels", "MPI", "Models", "Pictures", "Randomness",
        "Safetensors", "Tensors",
      ], swiftSettings: common),

    // Training.
    .target(name: "DataParallel", dependencies: ["Kernels", "MPI", "Tensors"], swiftSettings: common),
    .target(
      name: "Configuration",
      dependencies: [
        "DataParallel", "Datasets", "Diffusion", "Files", "Kernels", "Layers", "Models", "Optimization",
        "Settings", "Tasks", "Tensors",
      ],
      swiftSettings: common),
    .target(
      name: "Tasks",
      dependencies: ["Datasets", "Diffusion", "Kernels", "Layers", "Models", "Randomness", "Tensors"],
      swiftSettings: common),
    .target(
      name: "Checkpoints",
      dependencies: [
        "CProcessor", "Configuration", "DataParallel", "Files", "HDF5", "Kernels", "Layers", "MPI",
        "Settings", "Tensors", .product(name: "Logging", package: "swift-log"),
      ], swiftSettings: common),
    .target(
      name: "Generation",
      dependencies: ["Datasets", "Diffusion", "Kernels", "MPI", "Models", "Pictures", "Tensors", "Text"],
      swiftSettings: common),
    .target(
      name: "Encoding", dependencies: ["Datasets", "Files", "MPI", "Models", "Tensors"],
      swiftSettings: common),
    .target(
      name: "Interchange",
      dependencies: [
        "Checkpoints", "Configuration", "DataParallel", "Datasets", "Diffusion", "Files", "Kernels", "Layers",
        "MPI", "Models", "Optimization", "Safetensors", "Settings", "Tensors", "Text",
      ], swiftSettings: common),
    .target(
      name: "Training",
      dependencies: [
        "Checkpoints", "Configuration", "DataParallel", "Datasets", "Diffusion", "Evaluation",
        "FailureDetection", "Files", "Generation", "Interchange", "Kernels", "Layers", "MPI", "Models",
        "Optimization", "Reporting", "Settings", "Tasks", "Tensors", "Text",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: common),
    .target(
      name: "Benchmarks",
      dependencies: [
        "Checkpoints", "Configuration", "DataParallel", "Datasets", "Diffusion", "Generation", "Kernels",
        "MPI", "Models",
        "Randomness", "Reporting", "Settings", "Tasks", "Tensors", "Training",
      ], swiftSettings: common),
    .target(
      name: "RunReports",
      dependencies: [
        "Checkpoints", "Configuration", "Datasets", "Evaluation", "Files", "HDF5", "Interchange", "Models",
        "Reporting", "Safetensors", "Settings", "Tensors",
      ], swiftSettings: common),
    .target(
      name: "Diagnosis",
      dependencies: [
        "Benchmarks", "Configuration", "Datasets", "FailureDetection", "Files", "HDF5", "Interchange",
        "Kernels", "MPI", "Settings",
      ],
      swiftSettings: common),
    .executableTarget(
      name: "Oboro",
      dependencies: [
        "Benchmarks", "Checkpoints", "Configuration", "DataParallel", "Datasets", "Diagnosis", "Diffusion",
        "Encoding", "Evaluation", "Files", "Generation", "HDF5", "Interchange", "Kernels", "MPI", "Models",
        "Optimization", "Pictures", "Reporting", "RunReports", "Safetensors", "Settings", "Tensors", "Text",
        "Training", .product(name: "ArgumentParser", package: "swift-argument-parser"),
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
      dependencies: ["CGD", "CZlib", "Datasets", "Files", "HDF5", "Pictures", "Randomness", "TestSupport"],
      exclude: ["Fixtures"], swiftSettings: common),
    .testTarget(
      name: "HDF5Tests", dependencies: ["HDF5", "TestSupport"], exclude: ["Fixtures"], swiftSettings: common),
    .testTarget(name: "FilesTests", dependencies: ["Files", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "RunReportsTests", dependencies: ["Models", "RunReports", "Settings", "Tensors"],
      swiftSettings: common),
    .testTarget(name: "DiagnosisTests", dependencies: ["Diagnosis", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "FailureDetectionTests", dependencies: ["FailureDetection", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "SafetensorsTests", dependencies: ["Files", "Safetensors", "TestSupport"], swiftSettings: common),
    .testTarget(name: "TextTests", dependencies: ["Files", "Text"], swiftSettings: common),
    .testTarget(name: "SettingsTests", dependencies: ["Settings", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "PicturesTests", dependencies: ["CGD", "Files", "Pictures", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "ReportingTests",
      dependencies: ["Files", "Reporting", "TestSupport", .product(name: "Logging", package: "swift-log")],
      swiftSettings: common),
    .target(
      name: "TrainingTestSupport", dependencies: ["Checkpoints", "Configuration", "Settings", "Tensors"],
      path: "Tests/TrainingTestSupport", swiftSettings: common),
    .testTarget(
      name: "ConfigurationTests",
      dependencies: [
        "Configuration", "Files", "Optimization", "Settings", "TestSupport", "TrainingTestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "TasksTests",
      dependencies: [
        "Datasets", "Diffusion", "Generation", "Kernels", "Layers", "Models", "NumericsTestSupport",
        "Safetensors", "Settings", "Tasks", "Tensors",
      ], swiftSettings: common),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["CProcessor", "Checkpoints", "Files", "Settings", "TestSupport", "TrainingTestSupport"],
      swiftSettings: common),
    .testTarget(
      name: "GenerationTests",
      dependencies: ["Diffusion", "Generation", "Kernels", "Layers", "Models", "Tensors"],
      swiftSettings: common),
    .testTarget(name: "BenchmarksTests", dependencies: ["Benchmarks"], swiftSettings: common),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Datasets", "Diffusion", "Evaluation", "Kernels", "Layers", "Models", "NumericsTestSupport",
        "Pictures", "Randomness", "Safetensors", "Tensors", "TestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "InterchangeTests",
      dependencies: ["Interchange", "NumericsTestSupport", "Settings", "TestSupport"],
      swiftSettings: common),
    .executableTarget(
      name: "TrainingPrograms",
      dependencies: [
        "Checkpoints", "Configuration", "DataParallel", "Datasets", "Kernels", "MPI", "Randomness", "Tasks",
        "Tensors", "Training", "TrainingTestSupport",
      ],
      path: "Tests/TrainingPrograms", swiftSettings: common),
    .testTarget(
      name: "EncodingTests", dependencies: ["Datasets", "Encoding", "TestSupport"], swiftSettings: common),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Checkpoints", "Configuration", "DataParallel", "Datasets", "Files", "Kernels", "Layers",
        "NumericsTestSupport", "Settings", "Tasks", "Tensors", "TestSupport", "Training", "TrainingPrograms",
        "TrainingTestSupport",
      ],
      swiftSettings: common),
    .testTarget(
      name: "OboroTests",
      dependencies: [
        "Checkpoints", "Files", "HDF5", "Kernels", "NumericsTestSupport", "Oboro", "Pictures", "Reporting",
        "Safetensors", "Settings", "TestSupport",
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
      name: "TensorsTests", dependencies: ["Kernels", "NumericsTestSupport", "Tensors", "TestSupport"],
      swiftSettings: common),
    .testTarget(
      name: "LayersTests",
      dependencies: ["Kernels", "Layers", "NumericsTestSupport", "Randomness", "Tensors"],
      swiftSettings: common),
    .testTarget(
      name: "ModelsTests",
      dependencies: [
        "Kernels", "Layers", "Models", "NumericsTestSupport", "Randomness", "Safetensors", "Settings",
        "Tensors",
      ],
      swiftSettings: common),
    .testTarget(
      name: "DiffusionTests",
      dependencies: ["Diffusion", "Kernels", "NumericsTestSupport", "Randomness", "Settings", "Tensors"],
      swiftSettings: common),
    .testTarget(
      name: "OptimizationTests", dependencies: ["Optimization", "Settings"], swiftSettings: common),
    .executableTarget(
      name: "DataParallelPrograms",
      dependencies: ["DataParallel", "Kernels", "MPI", "Randomness", "Tensors"],
      path: "Tests/DataParallelPrograms", swiftSettings: common),
    .testTarget(
      name: "DataParallelTests",
      dependencies: [
        "DataParallel", "DataParallelPrograms", "Kernels", "NumericsTestSupport", "Tensors", "TestSupport",
      ],
      swiftSettings: common),
  ],
  swiftLanguageModes: [.v6]
)
