#!/usr/bin/env bash
# The cockpit against one API server with NODES nodes and PODS pods, beside the floor: one raw protobuf list of every kind the
# picture needs, bytes counted and thrown away. Pairs in turn, the order swapped each time; prints each pair and the medians.
#   benches/scale.sh KUBECONFIG [PAIRS]
# An API server of that size: ../shared/lab/k8s/scale.sh 5000 50000 prints its kubeconfig (about 3 minutes, 5 GB of memory).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kubeconfig=$1 pairs=${2:-7}
cargo build --locked --release --example picture >&2
run=${CARGO_TARGET_DIR:-target}/release/examples/picture
out=$(mktemp); trap 'rm -f "$out"' EXIT
one() { "$run" --kubeconfig "$kubeconfig" "$@"; }
one --floor >/dev/null; one >/dev/null   # both once, so that the server's caches are warm for either
for i in $(seq "$pairs"); do
  if [ $((i % 2)) = 0 ]; then f=$(one --floor); p=$(one); else p=$(one); f=$(one --floor); fi
  echo "floor: $f"; echo "picture: $p"
  echo "$f" | grep -o 'seconds=[0-9.]*' | cut -d= -f2 >>"$out.f"
  echo "$p" | grep -o 'seconds=[0-9.]*' | cut -d= -f2 >>"$out.p"
done
paste "$out.f" "$out.p" | python3 -c '
import statistics as s, sys
rows = [tuple(map(float, l.split())) for l in sys.stdin]
ratios = sorted(p / f for f, p in rows)
print(f"floor median {s.median(f for f, _ in rows):.2f} s, picture median {s.median(p for _, p in rows):.2f} s, "
      f"ratio median {s.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}) over {len(rows)} pairs")'
rm -f "$out.f" "$out.p"
