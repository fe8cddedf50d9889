import Foundation
import MPI
import TestSupport
import Testing

@Suite struct SessionTests {
  @Test(arguments: [1, 2, 4]) func sessionIsUnique(ranks: Int) throws {
    try expectPass("session", ranks: ranks)
  }

  @Test func sessionWithoutLauncher() throws {
    let run = try ProcessRun.run(try Products.executable("MPIPrograms"), ["session"])
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.output == "session passed on rank 0 of 1\n", "\(run)")
  }

  /// Containers lack much: `ssh` in PATH, HOME, a network, a /tmp that can be written to.
  enum Lack: String, CaseIterable {
    case environment
    case network = "unshare --map-root-user --net"
    case temporaryFiles =
      "unshare --map-root-user --mount sh -c 'mount -t tmpfs -o ro none /tmp && exec \"$@\"' sh"
  }

  @Test(arguments: Lack.allCases) func sessionInABareContainer(lack: Lack) throws {
    let wrapper = lack == .environment ? "" : lack.rawValue
    func run(_ command: String) throws -> ProcessRun {
      try ProcessRun.run(URL(filePath: "/bin/sh"), ["-c", "exec \(wrapper) \(command)"])
    }
    let program = try Products.executable("MPIPrograms").path
    // Not everybody may make namespaces, and the program may lie where one hides it.
    if !wrapper.isEmpty, try run("test -x '\(program)'").exitStatus != 0 { return }
    let run = try run("env -i PATH=/nowhere '\(program)' session")
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.output == "session passed on rank 0 of 1\n" && run.errors == "", "\(run)")
  }

  @Test func processesOfALauncherAreNoSingletons() {
    #expect(SingletonStart.isSingleton(["PATH": "/usr/bin", "SLURM_JOB_ID": "1"]))
    // srun without PMIx starts processes that do not find each other.
    #expect(SingletonStart.isSingleton(["SLURM_STEP_NUM_TASKS": "1"]))
    for key in ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD"] {
      #expect(!SingletonStart.isSingleton([key: "1"]), "\(key)")
    }
  }

  /// srun without PMIx starts processes that do not find each other: one of them says so, none works on alone.
  @Test(arguments: ["0", "1"]) func separateWorldsAreRefused(rank: String) throws {
    let run = try ProcessRun.run(
      try Products.executable("MPIPrograms"), ["session"],
      environment: ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": rank])
    #expect(run.exitStatus == 1, "\(run)")
    #expect(run.output == "", "\(run)")
    if rank == "0" {
      #expect(run.errors.hasPrefix("mpi-programs: srun started 4 processes, but MPI connects"), "\(run)")
      #expect(run.errorLines.count == 1, "\(run)")
    } else {
      #expect(run.errors == "", "\(run)")
    }
  }

  @Test func threadLevels() throws {
    for wanted in ThreadLevel.allCases {
      for granted in ThreadLevel.allCases {
        if granted.rawValue >= wanted.rawValue {
          try wanted.require(granted: granted)
        } else {
          #expect(throws: SessionError.threadLevel(wanted: wanted, granted: granted)) {
            try wanted.require(granted: granted)
          }
        }
      }
    }
  }

  @Test func launchers() throws {
    #expect(Launcher(environment: [:]) == nil)
    // A batch script that srun has not started.
    #expect(Launcher(environment: ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]) == nil)

    let slurm = ["SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "PMIX_RANK": "3"]
    let srun = try #require(Launcher(environment: slurm))
    #expect((srun.name, srun.processCount, srun.rank) == ("srun", 4, 3))

    // mpirun inside a Slurm allocation.
    let both = slurm.merging(["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"]) { $1 }
    let mpirun = try #require(Launcher(environment: both))
    #expect((mpirun.name, mpirun.processCount, mpirun.rank) == ("mpirun", 2, 1))

    let pmi = try #require(Launcher(environment: ["PMI_RANK": "5", "PMI_SIZE": "8"]))
    #expect((pmi.name, pmi.processCount, pmi.rank) == ("mpiexec", 8, 5))
    let other = try #require(Launcher(environment: ["PMIX_RANK": "1"]))
    #expect((other.processCount, other.rank) == (nil, 1))
  }
}
