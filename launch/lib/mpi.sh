# shellcheck shell=bash
# Ranks on this machine.

# Cores that this process may use: those it is bound to, or fewer in a container that is limited to a share of them.
usable_cores() {
  local cores quota=max period=1 share
  # nproc obeys OpenMP's variables, which mean something else.
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

# Settings of Open MPI for ranks on this machine only; settings made by the caller are kept.
prepare_open_mpi() {
  if ((EUID == 0)); then
    # mpirun refuses to run as root, since a mistake could harm the system. In a container there may be no other user,
    # and the ranks write only to the directories named on their command lines.
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  # Shared memory only: no search for networks, and no warnings about missing ones.
  export OMPI_MCA_pml="${OMPI_MCA_pml-ob1}" OMPI_MCA_btl="${OMPI_MCA_btl-self,vader}"
  export OMPI_MCA_btl_base_warn_component_unused="${OMPI_MCA_btl_base_warn_component_unused-0}"
  # Containers forbid reading another process's memory, which Open MPI would try and then warn about.
  export OMPI_MCA_btl_vader_single_copy_mechanism="${OMPI_MCA_btl_vader_single_copy_mechanism-none}"
}

# run_ranks COUNT COMMAND...: runs it on this machine under mpirun; see run_mpirun.
run_ranks() {
  local count=$1
  shift
  prepare_open_mpi
  # Threads share the available cores: ranks are not bound. A machine may count fewer slots than cores.
  run_mpirun --quiet --oversubscribe --bind-to none -n "$count" "$@"
}

# run_mpirun ARGUMENT...: runs mpirun; returns its exit status, or 130 if it completed although it was asked to stop.
#
# Ctrl-C must not reach mpirun: it would give the ranks a second to save their work, then kill them. So mpirun runs in
# its own process group, and we ask the ranks to stop with SIGUSR1, which mpirun forwards. The second Ctrl-C is left to
# mpirun.
#
# mpirun is killed if it does not end by itself: some seconds after its last rank has ended, and, if there is a function
# `given_up` that prints something once the run has been given up, some seconds after that, since an mpirun that has
# lost a machine can wait for it forever.
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
    # A signal interrupts the wait, not mpirun, unless mpirun ended just before.
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

# Open MPI 4.1 can deadlock when a rank is killed during start-up: it then neither ends nor notices ranks that have
# ended, and the others wait in `MPI_Init`, before failure detection runs. The function `has_ranks`, if defined, says
# whether other machines still have ranks.
end_when_deserted() {
  trap - INT TERM HUP
  local had_ranks=0 seconds=0 unseen=0
  while kill -0 "$1" 2>/dev/null; do
    if has_ranks_here "$1" Z; then unseen=$((unseen + 1)); else unseen=0; fi
    if ((unseen >= 20)); then
      local left
      mapfile -t left < <(pgrep -P "$1" -x oboro)
      kill_mpirun "$1" "a rank has ended, and it does not notice"
      kill -KILL "${left[@]}" 2>/dev/null || true
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
    # An ended process stays a zombie until mpirun reaps it.
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
