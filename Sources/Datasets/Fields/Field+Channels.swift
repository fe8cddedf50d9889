extension Field {
  /// Whether pictures show it with a colour map rather than as grey or colour images.
  public var isPlotted: Bool { isDescribed && type.isFloatingPoint && shape.count == 3 }

  /// The name of each channel: its variable's, with a number if the variable has several channels.
  public var channelNames: [String] {
    let known = variables ?? [Variable(name: name, channels: channelCount)]
    return known.flatMap { variable in
      variable.channels == 1
        ? [variable.name] : (0..<variable.channels).map { "\(variable.name) \($0)" }
    }
  }

  /// The units of each channel, if the source specifies them.
  public var channelUnits: [String?] {
    guard let variables else { return [String?](repeating: nil, count: channelCount) }
    return variables.flatMap { variable -> [String?] in
      let units: String? = if case .text(let text)? = variable.attributes["units"] { text } else { nil }
      return [String?](repeating: units, count: variable.channels)
    }
  }

  /// The source value that corresponds to a model's value.
  public func sourceValue(_ value: Float, channel: Int) -> Double {
    normalization?.restored(Double(value), channel: channel) ?? Double(value)
  }
}
