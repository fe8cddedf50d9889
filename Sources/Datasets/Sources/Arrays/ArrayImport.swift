/// Which arrays of a file become which fields of a dataset, and how.
public struct ArrayImport: Sendable {
  /// The format of an array file.
  public enum Format: Sendable {
    case hdf5, numpy
  }

  /// How to handle NaN and the file's markers of missing values.
  public enum Missing: String, Sendable, CaseIterable {
    /// The first one is an error.
    case refuse
    /// They become 0 after normalisation, and a mask field records them.
    case mask
  }

  /// A field in addition to the images.
  public struct Extra: Sendable {
    public var role: FieldRole
    /// The arrays that it is made of, stacked along their last dimension.
    public var variables: [String]

    public init(role: FieldRole, variables: [String]) {
      self.role = role
      self.variables = variables
    }
  }

  /// Names of the image arrays, which are stacked as channels; empty for an archive's `images`, or the only array.
  public var images: [String]
  /// Name of the label array; nil for an archive's `labels`, if present.
  public var labels: String?
  public var extras: [Extra] = []
  /// nil uses the label numbers.
  public var classNames: [String]?
  /// nil for [N, H, W] or [N, H, W, C].
  public var order: AxisOrder?
  /// Whether dimensions are in MATLAB's order, reversed; one of its HDF5 files shows [H, W, C, N] as [N, C, W, H].
  public var isMATLAB = false
  public var normalization: Normalization.Kind?
  public var missing = Missing.refuse

  public init(images: [String] = [], labels: String? = nil) {
    self.images = images
    self.labels = labels
  }
}
