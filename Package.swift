// swift-tools-version: 6.1

import PackageDescription

/// The processor that the numeric code is compiled for, as clang's `-march` names it. `native` is the building
/// machine's own; a cluster of mixed processors sets `OBORO_MARCH` to the oldest of them, such as `x86-64-v3`.
let processor = Context.environment["OBORO_MARCH"] ?? "native"

/// Every target is compiled for one processor: vectors cross target borders, and must be passed alike on both sides.
let common: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(processor)"])]

let package = Package(
  name: "Oboro",
//  products: [.executable(name: "oboro", targets: ["Oboro"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // C libraries: accessors for what Swift cannot see, nothing else.
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-pthread-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CGD", pkgConfig: "gdlib", providers: [.apt(["libgd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CProcessor"),

    // Foundations, which know nothing of each other.
    .target(name: "Randomness", swiftSettings: common),
    .target(name: "Safetensors", swiftSettings: common),
    .target(name: "Settings", swiftSettings: common),
    .target(name: "MPI", dependencies: ["COpenMPI"], swiftSettings: common),
    .target(name: "HDF5", dependencies: ["CHDF5"], swiftSettings: common),
    .target(name: "Kernels", dependencies: ["COpenBLAS", "CProcessor"], swiftSettings: common),
    .target(name: "Tensors", dependencies: ["Kernels"], swiftSettings: common),
    .target(name: "Layers", dependencies: ["Tensors", "Randomness"], swiftSettings: common),
    .target(name: "Models", dependencies: ["Layers", "Settings"], swiftSettings: common),
    .target(name: "Diffusion", dependencies: ["Tensors", "Randomness", "Settings"], swiftSettings: common),
    .target(name: "Pictures", dependencies: ["CGD"], swiftSettings: common),

    .testTarget(name: "SafetensorsTests", dependencies: ["Safetensors"], swiftSettings: common),
  ],
  swiftLanguageModes: [.v6]
)
