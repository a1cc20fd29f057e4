# Quarterdeck's sampler: one POSIX sh per host, no agent, nothing installed, nothing left behind. The cockpit sets N (a
# nonce that frames carry), U (the libvirt URI) and Q (the first questions) in front of this text, sends it on stdin, and
# then one line a tick: "NUMBER QUESTION...". Each tick is answered by one frame; EOF ends it.
# Must run in bash 4.2, dash and busybox ash on kernel 3.10. What can hang runs as a child whose result is picked up by
# whichever tick finds it finished; while it runs, no second one is started.
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077
NL='
'
J='' T='' D=0 Z=0
# Results of children wait in memory where there is a tmpfs: a full disk is when this must work.
for d in /dev/shm "${TMPDIR:-/tmp}" /run /var/tmp; do
  if [ -d "$d" ] && [ -w "$d" ] && T=$(mktemp -d "$d/quarterdeck.XXXXXX" 2>/dev/null); then break; fi
  T=''
done
W=''
if timeout 1 true 2>/dev/null; then W='timeout 25'; fi
S=df
if stat -f -c %S /proc >/dev/null 2>&1; then S=stat; fi

gone() {
  trap - EXIT
  trap '' HUP INT TERM PIPE
  for j in $J; do
    eval "kill \"\$p_$j\"" 2>/dev/null
  done
  if [ -n "$T" ]; then rm -rf "$T"; fi
  exit 0
}
trap gone EXIT HUP INT TERM PIPE

say() { printf '~%s %s\n' "$N" "$*"; }

# start NAME COMMAND...: in the background, unless the last one of that name is still running.
start() {
  j=$1
  shift
  eval "p=\${p_$j:-}"
  if [ -n "$p" ] || [ -z "$T" ]; then return; fi
  true >"$T/$j.rc"
  (
    trap 'kill $c 2>/dev/null; exit 0' TERM
    "$@" >"$T/$j.out" 2>"$T/$j.err" &
    c=$!
    wait $c
    echo $? >"$T/$j.rc"
  ) </dev/null >/dev/null 2>&1 &
  eval "p_$j=\$! t_$j=$up"
  J="$J $j"
}

show() { while IFS= read -r l || [ -n "$l" ]; do printf '%s\n' "$l"; done <"$1"; }

# Says what finished children wrote, and for how long the others have been running.
collect() {
  left=''
  for j in $J; do
    eval "p=\$p_$j t=\$t_$j"
    if [ -s "$T/$j.rc" ]; then
      read -r rc <"$T/$j.rc"
      wait "$p" 2>/dev/null
      say "job $j $rc"
      case $j in m*) show "$T/$j.out" ;; *) cat "$T/$j.out" ;; esac
      if [ -s "$T/$j.err" ]; then
        say "err $j"
        case $j in m*) show "$T/$j.err" ;; *) tail -n 5 "$T/$j.err" ;; esac
      fi
      unset "p_$j" "t_$j"
    elif kill -0 "$p" 2>/dev/null; then
      say "busy $j $((up - t))"
      left="$left $j"
    else
      say "lost $j"
      unset "p_$j" "t_$j"
    fi
  done
  J=$left
}

space() {
  if [ "$S" = stat ]; then exec stat -f -c '%b %f %a %S %c %d' "$1"; fi
  df -kP "$1" && df -iP "$1" 2>/dev/null
  true
}

# One probe a device: bind mounts show the same file system again.
probe() {
  case "$seen" in *" $3 "*) return ;; esac
  seen="$seen$3 "
  path=$5
  case $path in *\\*) path=$(printf "$(printf '%s' "$path" | sed 's/%/%%/g')") ;; esac
  start "m$1" space "$path"
}

klog() {
  dmesg -r | grep -E '^<[0-3]>|nf_conntrack: table full|nfs: server .* not responding|[Ll]ink is [Dd]own|hung_task' | tail -n 30
}

guests() {
  # The numbers' own time: they may be picked up much later.
  read -r a b </proc/uptime
  printf '%s.at\n%s\n' "$N" "$a"
  $W virsh -r -c "$U" "echo $N.uri; uri; echo $N.version; version; echo $N.uuid; list --all --uuid; echo $N.name; list --all --name; echo $N.autostart; list --all --uuid --autostart; echo $N.persistent; list --all --uuid --persistent; echo $N.stats; domstats --raw $1; echo $N.again; list --all --uuid; echo $N.end"
}

pools() {
  $W virsh -r -c "$U" "echo $N.all; pool-list --all --details; echo $N.end"
}

# One process however many guests are new.
xmls() {
  c=''
  for u; do c="$c echo $N.xml $u; dumpxml $u;"; done
  $W virsh -r -c "$U" "$c echo $N.end"
}

# Run-queue delay of the vCPU threads, for a libvirt that does not tell: "VCPU DELAY-NS NAME".
delays() {
  read -r a b </proc/uptime
  printf '%s.at\n%s\n%s.delays\n' "$N" "$a" "$N"
  for f in /run/libvirt/qemu/*.pid; do
    q=''
    read -r q 2>/dev/null <"$f" || [ -n "$q" ] || continue
    f=${f##*/}
    for t in /proc/"$q"/task/*; do
      c=''
      read -r c 2>/dev/null <"$t/comm"
      case $c in
        'CPU '*)
          c=${c#CPU }
          if read -r a b d 2>/dev/null <"$t/schedstat"; then printf '%s %s %s\n' "${c%%/*}" "$b" "${f%.pid}"; fi
          ;;
      esac
    done
  done
}

docks() {
  ids=$($W docker ps -aq --no-trunc) || return
  if [ -z "$ids" ]; then return 0; fi
  # shellcheck disable=SC2086
  $W docker inspect --type container --format '{"Id":{{json .Id}},"Name":{{json .Name}},"RestartCount":{{json .RestartCount}},"State":{{json .State}},"Image":{{json .Config.Image}},"Policy":{{json .HostConfig.RestartPolicy.Name}},"Ports":{{json .NetworkSettings.Ports}}}' $ids
}

pods() {
  ids=$($W podman ps -aq --no-trunc) || return
  if [ -z "$ids" ]; then return 0; fi
  # shellcheck disable=SC2086
  $W podman inspect --type container $ids
}

# tool NAME JOB COMMAND...: a job that needs a program; says so when there is none.
tool() {
  if command -v "$1" >/dev/null 2>&1; then
    shift
    start "$@"
  else
    say "absent $1"
  fi
}

identity() {
  grep -s '' /proc/sys/kernel/hostname /proc/sys/kernel/osrelease /proc/sys/kernel/random/boot_id /etc/machine-id /sys/class/dmi/id/product_uuid /sys/class/net/*/address /etc/fstab
  grep -sE '^(PRETTY_NAME|NAME|VERSION)=|elease' /etc/os-release /etc/redhat-release
  printf 'cores:%s\n' "$(grep -cE '^cpu[0-9]' /proc/stat)"
  ip -o addr show 2>/dev/null | sed 's/^/addr:/'
}

questions() {
  for q; do
    case $q in
      procs)
        s=$(grep -hsoE '\) [DZ] ' /proc/[0-9]*/stat)
        D=0 Z=0
        IFS=$NL
        for l in $s; do case $l in *D*) D=$((D + 1)) ;; *) Z=$((Z + 1)) ;; esac; done
        unset IFS
        ;;
      identity) say identity; identity ;;
      arp) say arp; grep -sE ' 0x2 | 0x6 ' /proc/net/arp ;;
      klog) start klog klog ;;
      units) if [ -d /run/systemd/system ]; then start units $W systemctl --failed --no-legend --plain --no-pager; else say 'absent systemd'; fi ;;
      guests) tool virsh guests guests '' ;;
      guests-nowait) tool virsh guests guests --nowait ;;
      pools) tool virsh pools pools ;;
      xml=*) start xml xmls $(printf '%s' "${q#xml=}" | tr ',' ' ') ;;
      delays) start delays delays ;;
      docker) tool docker docker docks ;;
      podman) tool podman podman pods ;;
      crictl) tool crictl crictl $W crictl ps -a -o json ;;
    esac
  done
}

sample() {
  k=$1
  shift
  printf '=%s %s %s\n' "$N" "$k" "$(date +%s.%N)"
  read -r up l </proc/uptime
  up=${up%%.*}
  mounts=$(grep -sE '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ / | - (ext[234]|xfs|btrfs|zfs|jfs|reiserfs|f2fs|vfat|exfat|ntfs3?|nfs4?|cifs|smb3|ceph|glusterfs|fuse|fuse\.[^ ]+|fuseblk|gfs2|ocfs2|lustre|gpfs|9p|virtiofs|bcachefs|beegfs) ' /proc/self/mountinfo)
  seen=' '
  n=0
  set -f
  IFS=$NL
  for l in $mounts; do
    unset IFS
    n=$((n + 1))
    if [ $n -le 64 ]; then probe $l; fi
  done
  unset IFS
  set +f
  questions "$@"
  say mounts
  printf '%s\n' "$mounts"
  say counters
  grep -sE '^(cpu |procs_|btime |(MemTotal|MemFree|MemAvailable|Buffers|Cached|SReclaimable|Shmem|SwapTotal|SwapFree):|pswp(in|out) |some |full )' /proc/stat /proc/meminfo /proc/vmstat /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io
  grep -svE '^ *(lo|veth[^:]*|cali[^:]*|lxc[^:]*):|\|' /proc/loadavg /proc/uptime /proc/net/dev /proc/sys/fs/file-nr /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max
  printf 'procs:%s %s\n' "$D" "$Z"
  collect
  printf '=%s end %s\n' "$N" "$k"
}

main() {
  # shellcheck disable=SC2086
  sample 0 $Q
  while IFS= read -r l; do
    set -f
    # shellcheck disable=SC2086
    set -- $l
    set +f
    if [ $# -gt 0 ]; then sample "$@"; fi
  done
  exit 0
}
main
