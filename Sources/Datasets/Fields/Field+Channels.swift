extension Field {
  /// Whether pictures show it by a map of colours rather than as grey or coloured pictures.
  public var isPlotted: Bool { isDescribed && type.isFloatingPoint && shape.count == 3 }

  /// What each channel is called: its variable, with a number where that has several.
  public var channelNames: [String] {
    let known = variables ?? [Variable(name: name, channels: channelCount)]
    return known.flatMap { variable in
      variable.channels == 1
        ? [variable.name] : (0..<variable.channels).map { "\(variable.name) \($0)" }
    }
  }

  /// The units of each channel, where the data's maker has said them.
  public var channelUnits: [String?] {
    guard let variables else { return [String?](repeating: nil, count: channelCount) }
    return variables.flatMap { variable -> [String?] in
      let units: String? = if case .text(let text)? = variable.attributes["units"] { text } else { nil }
      return [String?](repeating: units, count: variable.channels)
    }
  }

  /// The value of the source that a model's value stands for.
  public func sourceValue(_ value: Float, channel: Int) -> Double {
    normalization?.restored(Double(value), channel: channel) ?? Double(value)
  }
}
