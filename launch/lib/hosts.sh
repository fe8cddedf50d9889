# shellcheck shell=bash
# shellcheck disable=SC2034  # plan_... are for the scripts that read this file
# Several machines: their resources, the placement of ranks, and which machines still answer.

# Prints a host's description, when run there by bash: its name, and a line "core SOCKET CPU,CPU" for each core that
# this user may use, with the core's hardware threads.
survey_script() {
  cat <<'SCRIPT'
echo "name $(uname -n)"
allowed=" "
IFS=, read -ra ranges < <(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
for range in "${ranges[@]}"; do
  for ((cpu = ${range%-*}; cpu <= ${range#*-}; cpu++)); do allowed+="$cpu "; done
done
declare -A threads
order=()
while IFS=, read -r cpu core socket; do
  [[ $cpu == [0-9]* && $allowed == *" $cpu "* ]] || continue
  key="${socket:-0} ${core:-$cpu}"
  [[ -n ${threads[$key]-} ]] || order+=("$key")
  threads[$key]+="${threads[$key]:+,}$cpu"
done < <(lscpu -p=CPU,CORE,SOCKET 2>/dev/null || seq -f '%g,%g,0' 0 "$(($(getconf _NPROCESSORS_ONLN) - 1))")
# A container may be limited to a share of the cores.
share=${#order[@]} quota=max period=1
if [[ -r /sys/fs/cgroup/cpu.max ]]; then
  read -r quota period </sys/fs/cgroup/cpu.max
elif [[ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]]; then
  quota=$(</sys/fs/cgroup/cpu/cpu.cfs_quota_us) period=$(</sys/fs/cgroup/cpu/cpu.cfs_period_us)
fi
if [[ $quota =~ ^[0-9]+$ ]] && (((quota + period - 1) / period < share)); then
  share=$(((quota + period - 1) / period))
fi
mapfile -t order < <(printf '%s\n' "${order[@]}" | sort -n -k 1,1 -k 2,2 | head -n "$share")
for key in "${order[@]}"; do echo "core ${key% *} ${threads[$key]}"; done
SCRIPT
}

# Whether a name refers to this machine.
is_here() {
  local name=$1 address
  [[ $name == localhost || $name == "$(uname -n)" || $name == "$(uname -n | cut -d . -f 1)" ]] && return
  address=$(address_of "$name") || return 1
  [[ $address == 127.* ]] || ip -o -4 address show 2>/dev/null | grep -qwF "inet $address"
}

# The IPv4 address of a host.
address_of() {
  local address
  address=$(getent ahostsv4 "$1" 2>/dev/null | awk 'NR == 1 { print $1 }')
  [[ -n $address ]] && echo "$address"
}

# on_host HOST COMMAND: runs a shell command there, connecting in the way that mpirun does.
on_host() {
  local host=$1 agent
  if is_here "$host"; then
    sh -c "$2"
    return
  fi
  read -ra agent <<<"${OMPI_MCA_plm_rsh_agent:-ssh}"
  [[ ${agent[0]##*/} != ssh ]] || agent+=(-o BatchMode=yes -o ConnectTimeout=5)
  timeout -k 1 20 "${agent[@]}" "$host" "$2"
}

# survey FOLDER HOST...: queries all hosts at once; writes a file for each that answers.
survey() {
  local folder=$1 host
  local -a asked=()
  shift
  rm -rf "$folder" && mkdir -p "$folder"
  for host in "$@"; do
    { survey_script | on_host "$host" 'bash -s' >"$folder/.$host" 2>"$folder/.$host.errors" &&
      grep -q '^core ' "$folder/.$host" && mv "$folder/.$host" "$folder/$host"; } &
    asked+=($!)
  done
  for process in "${asked[@]}"; do wait "$process" || true; done
}

# The network that leads to all of the hosts, such as 10.0.0.0/24; empty unless there is exactly one.
common_network() {
  local host address device networks=''
  for host in "$@"; do
    is_here "$host" && continue
    address=$(address_of "$host") || return 0
    device=$(ip -o -4 route get "$address" 2>/dev/null | sed -nE 's/.* dev ([^ ]+).*/\1/p')
    networks+=$(ip -o -4 route list dev "$device" proto kernel scope link 2>/dev/null | awk '{ print $1 }')$'\n'
  done
  networks=$(sort -u <<<"$networks" | sed '/^$/d')
  [[ $(wc -l <<<"$networks") == 1 ]] && echo "$networks"
  return 0
}

# plan FOLDER MICROBATCHES RANKS THREADS HOST[:LIMIT]...: places ranks according to the files of `survey`, and sets
# plan_ranks, plan_threads, and plan_counts, the number of ranks on each host. RANKS and THREADS are 0 to be chosen
# automatically. Fails if nothing fits.
#
# All ranks have the same part of each step, so that the slowest rank decides: most cores are used where ranks times
# threads is largest. Among equal choices, fewer ranks are preferred, since they communicate less. A rank's threads
# share a socket.
plan() {
  local folder=$1 microbatches=$2 wanted_ranks=$3 wanted_threads=$4 ranks threads most=1 best=0 host limit total room index count
  local -a rooms sockets totals=() socket_cores=()
  shift 4
  plan_ranks=0
  for host in "$@"; do
    mapfile -t sockets < <(awk '/^core / { count[$2]++ } END { for (s in count) print count[s] }' "$folder/${host%%:*}")
    socket_cores+=("${sockets[*]}")
    total=0
    for count in "${sockets[@]}"; do ((total += count)) || true; done
    totals+=("$total")
    ((total <= most)) || most=$total
  done
  for ((threads = most; threads >= 1; threads--)); do
    ((wanted_threads == 0 || wanted_threads == threads)) || continue
    total=0 rooms=()
    for ((index = 1; index <= $#; index++)); do
      host=${!index} room=0
      read -ra sockets <<<"${socket_cores[index - 1]}"
      for count in "${sockets[@]}"; do ((room += count / threads)) || true; done
      # An explicit number of threads may span sockets.
      ((room || !wanted_threads)) || room=$((totals[index - 1] / threads))
      limit=${host#"${host%%:*}"} limit=${limit#:}
      if [[ -n $limit ]] && ((limit < room)); then room=$limit; fi
      rooms+=("$room")
      ((total += room)) || true
    done
    for ((ranks = 1; ranks <= microbatches && ranks <= total; ranks++)); do
      ((microbatches % ranks == 0)) || continue
      if ((wanted_ranks)); then
        ((ranks == wanted_ranks)) || continue
      else
        # Only powers of two give identical results for any number of ranks.
        (((ranks & (ranks - 1)) == 0)) || continue
      fi
      if ((ranks * threads > best)); then
        best=$((ranks * threads)) plan_ranks=$ranks plan_threads=$threads
        spread "$ranks" "${rooms[@]}"
      fi
    done
  done
  ((plan_ranks))
}

# spread RANKS ROOM...: sets plan_counts, as evenly as the rooms allow.
spread() {
  local left=$1 index
  local -a rooms
  shift
  rooms=("$@") plan_counts=()
  for index in "${!rooms[@]}"; do plan_counts+=(0); done
  while ((left)); do
    for index in "${!rooms[@]}"; do
      ((left && plan_counts[index] < rooms[index])) || continue
      ((plan_counts[index]++, left--)) || true
    done
  done
}
