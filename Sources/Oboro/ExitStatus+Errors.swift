import Checkpoints
import DataParallel
import Datasets
import Diffusion
import Encoding
import Evaluation
import Files
import Foundation
import HDF5
import Interchange
import MPI
import Models
import Optimization
import Pictures
import Reporting
import RunReports
import Safetensors
import Settings
import Text
import Training

// The exit status of each error of the modules below.

extension SettingsError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .usage }
}

extension SamplingError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .usage }
}

extension AverageError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension ModelError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .usage }
}

extension MemoryError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .usage }
}

extension MicrobatchError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .usage }
}

extension RunDirectoryError: ExitStatusProviding {
  package var exitStatus: ExitStatus {
    switch self {
    case .notARun, .otherConfiguration: .usage
    // The call is valid, but must be repeated later.
    case .inUse: .inputOutput
    }
  }
}

extension ReplicaError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension CheckpointError: ExitStatusProviding {
  /// A missing checkpoint is bad data, a system error is not.
  package var exitStatus: ExitStatus { code == nil || code == ENOENT ? .badData : .inputOutput }
}

extension CheckpointSavingError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .inputOutput }
}

extension ModelFileError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension AdapterMergeError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension SafetensorsError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension InspectionError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension TokenizerError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension DatasetError: ExitStatusProviding {
  package var exitStatus: ExitStatus {
    switch kind {
    case .badData: .badData
    case .inputOutput: .inputOutput
    }
  }
}

extension LatentDatasetError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension LatentEncodingError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension EvaluationError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension FileError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .inputOutput }
}

extension PictureError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension MetricsError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension HDF5Error: ExitStatusProviding {
  /// System errors and write errors count as input/output failures, unreadable content as bad data.
  package var exitStatus: ExitStatus {
    if let code = systemErrorNumber, code != ENOENT { return .inputOutput }
    guard case .library(let function, _) = problem else { return .badData }
    return ["create", "write", "flush", "close"].contains { function.lowercased().contains($0) }
      ? .inputOutput : .badData
  }
}

extension RunReportError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .badData }
}

extension NonFiniteError: ExitStatusProviding {
  package var exitStatus: ExitStatus { .failure }
}
