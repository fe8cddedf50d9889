/// The tensors of a module inside PyTorch modules that wrap it and prefix its tensors' names, such as
/// `DistributedDataParallel`.
struct WrappedTensors: TensorSource {
  private struct Wrapper {
    let prefix: String
    /// Prefixes of the wrapper's further tensors, which are not read.
    var others: [String] = []

    /// The names inside the wrapper; nil if the names are not those of this wrapper.
    func inner(_ names: [String]) -> [String]? {
      let inside = names.filter { $0.hasPrefix(prefix) }
      let areOthersKnown = names.allSatisfy { name in
        name.hasPrefix(prefix) || others.contains { name.hasPrefix($0) }
      }
      return !inside.isEmpty && areOthersKnown ? inside.map { String($0.dropFirst(prefix.count)) } : nil
    }
  }

  private static let wrappers = [
    // DataParallel and DistributedDataParallel; torch.optim.swa_utils.AveragedModel.
    Wrapper(prefix: "module.", others: ["n_averaged"]),
    // torch.compile.
    Wrapper(prefix: "_orig_mod."),
    // EMA of ema_pytorch, which keeps the weights beside their averages.
    Wrapper(prefix: "ema_model.", others: ["online_model.", "initted", "step"]),
    // A LightningModule's attribute.
    Wrapper(prefix: "model."),
  ]

  private let source: any TensorSource
  private let prefix: String
  let names: [String]

  var path: String { source.path }

  /// `source` without the prefixes of wrappers; unchanged if it has a tensor named as `expected`, or is not wrapped.
  static func unwrapping(_ source: any TensorSource, for expected: Set<String>) -> any TensorSource {
    var names = source.names
    var prefix = ""
    while !names.contains(where: expected.contains) {
      let found = wrappers.lazy.compactMap { wrapper in wrapper.inner(names).map { (wrapper.prefix, $0) } }
      guard let (outer, inner) = found.first else { return source }
      prefix += outer
      names = inner
    }
    return prefix.isEmpty ? source : WrappedTensors(source: source, prefix: prefix, names: names)
  }

  func shape(of name: String) throws -> [Int] { try source.shape(of: prefix + name) }
  func floats(_ name: String) throws -> [Float] { try source.floats(prefix + name) }
}
