/// Which arrays of a file become which fields of a dataset, and how.
public struct ArrayImport: Sendable {
  /// A file that holds arrays.
  public enum Format: Sendable {
    case hdf5, numpy
  }

  /// What becomes of NaN, and of what a file's maker wrote for missing values.
  public enum Missing: String, Sendable, CaseIterable {
    /// The first one is an error.
    case refuse
    /// They become 0, after normalization, and a field tells where they are.
    case mask
  }

  /// A field beside the images.
  public struct Extra: Sendable {
    public var role: FieldRole
    /// The arrays that it is made of, stacked along their last dimension.
    public var variables: [String]

    public init(role: FieldRole, variables: [String]) {
      self.role = role
      self.variables = variables
    }
  }

  /// The names of the images' arrays, which are stacked as channels; none for `images` of an archive, or the only array.
  public var images: [String]
  /// The name of the labels' array; nil for `labels` of an archive, if it has that.
  public var labels: String?
  public var extras: [Extra] = []
  /// nil for the labels' numbers.
  public var classNames: [String]?
  /// nil for [N, H, W] or [N, H, W, C].
  public var order: AxisOrder?
  /// Whether dimensions are counted as MATLAB does, from the other end; an HDF5 file of its shows [H, W, C, N] as
  /// [N, C, W, H].
  public var isMATLAB = false
  public var normalization: Normalization.Kind?
  public var missing = Missing.refuse

  public init(images: [String] = [], labels: String? = nil) {
    self.images = images
    self.labels = labels
  }
}
