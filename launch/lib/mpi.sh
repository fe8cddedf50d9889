# shellcheck shell=bash
# Ranks on this machine.

# Cores that this process may use: those it is bound to, or fewer where a container has a share of them.
usable_cores() {
  local cores quota=max period=1 share
  # nproc obeys OpenMP's variables, which say something else.
  cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
  if [[ -r /sys/fs/cgroup/cpu.max ]]; then
    read -r quota period </sys/fs/cgroup/cpu.max
  elif [[ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]]; then
    quota=$(</sys/fs/cgroup/cpu/cpu.cfs_quota_us) period=$(</sys/fs/cgroup/cpu/cpu.cfs_period_us)
  fi
  if [[ $quota =~ ^[0-9]+$ ]]; then
    share=$(((quota + period - 1) / period))
    ((share >= cores)) || cores=$share
  fi
  echo "$cores"
}

# Settings of Open MPI for ranks that are all on this machine; what the caller has set stays.
prepare_open_mpi() {
  if ((EUID == 0)); then
    # mpirun refuses to work for root, since a mistake could harm the system. We may be in a container, with no other
    # user; and the ranks write to the directories named on their command lines only.
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  # Shared memory only: no search for networks, and no warnings about those that are not there.
  export OMPI_MCA_pml="${OMPI_MCA_pml-ob1}" OMPI_MCA_btl="${OMPI_MCA_btl-self,vader}"
  export OMPI_MCA_btl_base_warn_component_unused="${OMPI_MCA_btl_base_warn_component_unused-0}"
  # Containers forbid reading another process's memory, which Open MPI would try, and warn about.
  export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism-none}"
}

# run_ranks COUNT COMMAND...: runs it on this machine under mpirun; see run_mpirun.
run_ranks() {
  local count=$1
  shift
  prepare_open_mpi
  # Threads share the cores that they are given: no binding of ranks. A machine may count fewer slots than cores.
  run_mpirun --quiet --oversubscribe --bind-to none -n "$count" "$@"
}

# run_mpirun ARGUMENT...: runs mpirun; returns its exit status, or 130 if it was done all the same when asked to stop.
#
# Ctrl-C must not reach mpirun: it would give the ranks a second to save their work, then kill them. So mpirun runs in
# a process group of its own, and we ask the ranks to stop with SIGUSR1, which mpirun forwards. The second Ctrl-C is
# mpirun's to handle.
#
# mpirun is killed where it does not end by itself: some seconds after its last rank has ended; and where there is a
# function `given_up` that prints something once the run has been given up, some seconds after that: one that has lost a
# machine can wait for it for ever.
run_mpirun() {
  local process watchers=() watcher status signal=USR1 woken=0 asked=0
  set -m # a process group for each job
  mpirun "$@" </dev/null &
  process=$!
  set +m
  end_when_deserted "$process" &
  watchers+=($!)
  if declare -F given_up >/dev/null; then
    end_when_given_up "$process" &
    watchers+=($!)
  fi
  trap 'woken=1 asked=1; kill -s "$signal" "$process" 2>/dev/null || true; signal=TERM' INT TERM HUP
  while true; do
    woken=0 status=0
    wait "$process" || status=$?
    # A signal ends the waiting, not mpirun; unless it came just before.
    ((woken && status > 128)) || break
  done
  end_on_interrupt
  for watcher in "${watchers[@]}"; do kill "$watcher" 2>/dev/null || true; done
  ((!asked || status)) || status=130
  return "$status"
}

end_when_given_up() {
  trap - INT TERM HUP
  local reason
  until reason=$(given_up) && [[ -n $reason ]]; do sleep 1; done
  sleep 3
  kill_mpirun "$1" "$reason"
}

# Open MPI 4.1 can lock itself up when a rank is killed while it starts: it then neither ends nor looks at ranks that have
# ended, and the others wait in `MPI_Init`, where no failure detection runs yet. Where there is a function `has_ranks`, it
# says whether other machines have any left.
end_when_deserted() {
  trap - INT TERM HUP
  local had_ranks=0 seconds=0 unseen=0
  while kill -0 "$1" 2>/dev/null; do
    if has_ranks_here "$1" Z; then unseen=$((unseen + 1)); else unseen=0; fi
    if ((unseen >= 20)); then
      local ranks
      mapfile -t ranks < <(pgrep -P "$1" -x oboro)
      kill_mpirun "$1" "a rank has ended, and it does not notice"
      kill -KILL "${ranks[@]}" 2>/dev/null || true
      return
    fi
    if has_ranks_here "$1" '[!ZX]'; then
      had_ranks=1 seconds=0
    elif ((had_ranks && ++seconds >= 5)); then
      if ! declare -F has_ranks >/dev/null || ! has_ranks; then
        kill_mpirun "$1" "its last rank has ended"
        return
      fi
      seconds=0
    fi
    sleep 1
  done
}

# has_ranks_here MPIRUN STATE: whether mpirun has a rank on this machine whose process state matches the pattern.
has_ranks_here() {
  local child children=() state
  read -ra children < <(cat "/proc/$1/task/"*/children 2>/dev/null) || true
  for child in "${children[@]}"; do
    read -r state 2>/dev/null <"/proc/$child/stat" || continue
    # One that has ended is a zombie until mpirun looks.
    # shellcheck disable=SC2053 # a pattern
    [[ $state != *"(oboro) "$2* ]] || return 0
  done
  return 1
}

kill_mpirun() {
  kill -0 "$1" 2>/dev/null || return 0
  note "mpirun does not end by itself: killing it; $2"
  kill -KILL "$1" 2>/dev/null || true
}
