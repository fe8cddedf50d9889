import Models

/// The class of each image. Has no effect for models without classes.
public struct SampleClasses: Hashable, Sendable {
  public enum Choice: Hashable, Sendable {
    /// Image i is of class i modulo the number of classes.
    case inTurn
    /// All images are of this class.
    case one(Int)
    /// The first `images` images are of class 0, the next of class 1, and so on.
    case each(images: Int)
    /// Image i is of entry i, repeating the list; nil means no class.
    case listed([Int?])
  }

  public let choice: Choice

  public init(_ choice: Choice = .inTurn) { self.choice = choice }

  /// The class of the image numbered `sample`, for a model of `classes`.
  func label(_ sample: Int, of classes: ModelClasses) -> Int? {
    switch choice {
    case .inTurn: sample % classes.count
    case .one(let label): label
    case .each(let images): sample / images % classes.count
    case .listed(let labels): labels[sample % labels.count]
    }
  }

  /// Throws unless `model` supports the requested classes.
  ///
  /// - Parameter guidance: the scale of classifier-free guidance; 1 disables it.
  public func check(_ model: any Denoiser, guidance: Double) throws {
    guard let classes = model.classes else {
      if choice != .inTurn { throw ModelError("the model knows no classes: leave --class away") }
      if guidance != 1 {
        throw ModelError("the model knows no classes, so nothing can guide it: set sampling.guidance to 1")
      }
      return
    }
    if case .one(let label) = choice, !(0..<classes.count).contains(label) {
      throw ModelError(
        "--class \(label): the model knows \(classes.count == 1 ? "class 0 only" : "classes 0 to \(classes.count - 1)")"
      )
    }
    if guidance != 1 && classes.dropout == 0 {
      throw ModelError(
        "sampling.guidance \(guidance) needs a model that was also trained without classes; this one never was "
          + "(model.class_dropout is 0)")
    }
  }
}
