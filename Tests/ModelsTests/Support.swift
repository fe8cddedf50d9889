import Models
import Settings

/// The model that the section `model` of a configuration, in YAML or JSON, describes; keys it does not know are errors.
func model(_ yaml: String) throws -> any Denoiser {
  let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "model")
  let model = try DenoiserKind.model(reader)
  try reader.finish()
  return model
}

/// Images [B, C, pixels] as [B, pixels, C], and with the last two numbers exchanged the other way.
func exchanged(_ values: [Float], batch: Int, _ rows: Int, _ columns: Int) -> [Float] {
  precondition(
    values.count == batch * rows * columns, "\(values.count) values are not \(batch) x \(rows) x \(columns)")
  return (0..<values.count).map { index in
    let (image, column, row) = (index / (rows * columns), index / rows % columns, index % rows)
    return values[(image * rows + row) * columns + column]
  }
}
