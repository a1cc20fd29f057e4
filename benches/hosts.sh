#!/usr/bin/env bash
# HOSTS real sshds, each in a network namespace of its own, beside one another: the time of as many parallel `ssh HOST true`
# against the time until the cockpit shows all of them live, in turn; then its processor and memory at 5 s samples.
#   benches/hosts.sh [HOSTS] [PAIRS] [BINARY]      as root; needs openssh-server, openssh-client, iproute2, python3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hosts=${1:-100} pairs=${2:-5}
[ -n "${3:-}" ] || cargo build --locked --release >&2
binary=$(realpath "${3:-${CARGO_TARGET_DIR:-target}/release/quarterdeck}")
dir=$(mktemp -d) bridge=qdb$$
name() { echo "qdh$$-$1"; }
cleanup() {
  for f in "$dir"/pid.*; do kill "$(cat "$f" 2>/dev/null)" 2>/dev/null || true; done
  for i in $(seq "$hosts"); do ip netns del "$(name "$i")" 2>/dev/null || true; done
  ip link del "$bridge" 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT
ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
cp "$dir/key.pub" "$dir/authorized"
chmod 755 "$dir"; mkdir -p /run/sshd "$dir/.config/quarterdeck" "$dir/.ssh" "$dir/root"
ip link add "$bridge" type bridge && ip addr add 10.251.0.254/24 dev "$bridge" && ip link set "$bridge" up
config="$dir/.config/quarterdeck/config.toml"
for i in $(seq "$hosts"); do
  n=$(name "$i") a=10.251.0.$i
  ip netns add "$n"
  ip link add "qv$$.$i" type veth peer name eth0 netns "$n"
  ip link set "qv$$.$i" master "$bridge" up
  ip -n "$n" addr add "$a/24" dev eth0 && ip -n "$n" link set eth0 up && ip -n "$n" link set lo up
  # A home with no start-up files of anybody's: those would run at every session, for both alike.
  ip netns exec "$n" unshare --mount sh -c "mount --bind '$dir/root' /root && exec /usr/sbin/sshd -o ListenAddress=$a -o HostKey='$dir/host' \
    -o AuthorizedKeysFile='$dir/authorized' -o PidFile='$dir/pid.$i' -o UsePAM=no -o PermitRootLogin=yes -o StrictModes=no -o MaxStartups=200 -f /dev/null"
  echo "$a $(cut -d' ' -f1,2 "$dir/host.pub")" >>"$dir/known"
done
printf 'Host *\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n  IdentityFile %s\n' "$dir/known" "$dir/key" >"$dir/ssh_config"
cat >"$config" <<C
[[host]]
name = "h[1-$hosts]"
address = "10.251.0.[1-$hosts]"
user = "root"
identity = "$dir/key"
ssh_config = "$dir/ssh_config"
every = "5s"
C
"$binary" config check --config "$config" >&2
now() { date +%s.%N; }
floor() {
  local s; s=$(now)
  seq "$hosts" | xargs -P "$hosts" -I{} ssh -F "$dir/ssh_config" -o BatchMode=yes root@10.251.0.{} true
  echo "$(now) $s" | awk '{print $1 - $2}'
}
cockpit() { HOME=$dir XDG_CONFIG_HOME=$dir/.config XDG_STATE_HOME=$dir/.state benches/until.py "$@" "Hosts $hosts .*   live" -- "$binary" --config "$config"; }
floor >/dev/null; cockpit >/dev/null
for i in $(seq "$pairs"); do
  if [ $((i % 2)) = 0 ]; then f=$(floor); p=$(cockpit); else p=$(cockpit); f=$(floor); fi
  echo "ssh true: $f s   all live: $p s"
  echo "$f $p" >>"$dir/pairs"
done
python3 - "$dir/pairs" <<'P'
import statistics as s, sys
rows = [tuple(map(float, l.split())) for l in open(sys.argv[1])]
ratios = sorted(p / f for f, p in rows)
print(f"ratio median {s.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}) over {len(rows)} pairs")
P
# A minute of it: its own processor time after the first 20 s, and its largest resident memory.
cockpit --stay 60
