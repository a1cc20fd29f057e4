#!/usr/bin/env bash
# What it costs to watch 60 members: 30 Redis servers in ten trios that replicate, and one MariaDB under 30 addresses, each asked at its
# kind's own pace. The whole cockpit in a terminal of 160x45 for SECONDS; prints its share of a core and its memory beside the goals.
#   benches/polling.sh [SECONDS [BINARY]]          needs redis-server, mariadbd, python3; leaves nothing behind
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60} binary=${2:-}
if [ -z "$binary" ]; then cargo build --locked --release >&2; binary=${CARGO_TARGET_DIR:-target}/release/quarterdeck; fi
dir=$(mktemp -d); pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
home=$dir/home; config=$home/.config/quarterdeck/config.toml
mkdir -p "$home/.config/quarterdeck"; touch "$config"; chmod -R go= "$home"

redis() {
  redis-server --bind "$1" --port 16379 --dir "$dir" --save '' --maxmemory 64mb --requirepass pw --masterauth pw --replica-announce-ip "$1" \
    --repl-diskless-sync-delay 0 "${@:2}" >/dev/null &
  pids+=($!)
}
for n in $(seq 10); do
  redis "127.77.$n.1"
  for m in 2 3; do redis "127.77.$n.$m" --replicaof "127.77.$n.1" 16379; done
  printf '[[middleware]]\nkind = "redis"\nname = "cache-%s"\nmembers = ["127.77.%s.1:16379", "127.77.%s.2:16379", "127.77.%s.3:16379"]\npassword = "pw"\n\n' \
    "$n" "$n" "$n" "$n" >>"$config"
done

mkdir "$dir/db"; user=$(id -un)
mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db --datadir="$dir/db" --user="$user" >/dev/null 2>&1
mariadbd --no-defaults --datadir="$dir/db" --user="$user" --socket="$dir/db.sock" --port=13306 --bind-address=0.0.0.0 --log-bin=bin --server-id=1 2>/dev/null &
pids+=($!)
for _ in $(seq 300); do mariadb -u root -S "$dir/db.sock" -e 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
mariadb -u root -S "$dir/db.sock" \
  -e "CREATE USER deck@'%' IDENTIFIED BY 'pw'; GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS, SHOW DATABASES ON *.* TO deck@'%'"
members=$(for n in $(seq 30); do printf '"127.78.0.%s:13306", ' "$n"; done)
printf '[[middleware]]\nkind = "mysql"\nname = "orders"\nmembers = [%s]\nuser = "deck"\npassword = "pw"\n' "${members%, }" >>"$config"

export HOME=$home XDG_CONFIG_HOME=$home/.config XDG_STATE_HOME=$home/.state TERM=xterm-256color LANG=C.UTF-8
PYTHONPATH=benches python3 - "$binary" "$seconds" "$config" <<'EOF'
import sys, time
from program import Program
binary, seconds, config = sys.argv[1], float(sys.argv[2]), sys.argv[3]

def run(seconds, *expected):
    """The processor's share in percent; resident memory in MB: in all, and without the pages of the program file."""
    program = Program([binary])
    screen = program.drain(15)
    if any(text not in screen for text in expected):
        sys.exit("not all 60 members answer; nothing is measured")
    before, start = program.cpu(), time.monotonic()
    told = len(program.drain(seconds))
    out = ((program.cpu() - before) / (time.monotonic() - start) * 100, program.memory("VmRSS"), program.memory("RssAnon"), told / 1024)
    program.end()
    return out

watching = run(seconds, b"30/30", b"3/3")
open(config, "w").write("")
alone = run(5)
print("60 members: %.2f %% of a core (goal 2), %.1f MB resident (goal 20), %.1f MB of them its own, %.1f KB to the terminal" % watching)
print("the same cockpit with nothing to watch: %.1f MB resident, %.1f MB of them its own" % alone[1:3])
EOF
