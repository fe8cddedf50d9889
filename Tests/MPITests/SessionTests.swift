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
