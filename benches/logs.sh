#!/usr/bin/env bash
# One million lines of one container (133 MB): `quarterdeck logs` against `kubectl logs`, in turn, on one cluster; into a pipe
# (`wc -l`) and into a file. Beside them the floor: `curl` of the same address, its bytes thrown away.
#   benches/logs.sh KUBECONFIG [ROUNDS] [BINARY]
# Prints each round, the medians of the ratios and their spread, own processor time and peak memory. The pod stays for the next run;
# `kubectl delete namespace qd-bench-logs` removes it. The image busybox:1.35 must be on the node, and the kubeconfig must hold a
# client certificate.
set -euo pipefail
export KUBECONFIG=${1:?kubeconfig} LC_ALL=C
rounds=${2:-7} binary=${3:-target/release/quarterdeck} space=qd-bench-logs
kubectl get namespace $space >/dev/null 2>&1 || kubectl create namespace $space >/dev/null
for _ in $(seq 60); do kubectl get serviceaccount default -n $space >/dev/null 2>&1 && break; sleep 0.5; done
if ! kubectl get pod million -n $space >/dev/null 2>&1; then
  kubectl apply -n $space -f - >/dev/null <<'POD'
apiVersion: v1
kind: Pod
metadata: {name: million}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: busybox:1.35
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "awk 'BEGIN { for (i = 0; i < 1000000; i++) printf \"%08d level=info msg=\\\"request served\\\" path=/api/v1/orders/12345 status=200 duration=12ms trace=4bf92f3577b34da6a3ce929d0e0e4736 x\\n\", i }'; sleep 1000000"]
POD
fi
until [ "$(kubectl logs million -n $space --tail 1 2>/dev/null | cut -c1-8)" = 00999999 ]; do sleep 1; done
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
of() { kubectl config view --raw --minify -o "jsonpath={$1}"; }
of '.clusters[0].cluster.certificate-authority-data' | base64 -d >"$work/ca"
of '.users[0].user.client-certificate-data' | base64 -d >"$work/cert"
of '.users[0].user.client-key-data' | base64 -d >"$work/key"
address=$(of '.clusters[0].cluster.server')/api/v1/namespaces/$space/pods/million/log?container=app
kubectl_logs() { "$@" kubectl logs million -n $space; }
quarterdeck_logs() { "$@" "$binary" logs $space/million; }
bytes=$(kubectl logs million -n $space | wc -c)
floor_logs() { "$@" curl -sf -o /dev/null -w '%{size_download}' --http1.1 --cacert "$work/ca" --cert "$work/cert" --key "$work/key" "$address"; }
# WHO WHERE: seconds, own processor seconds, peak megabytes; fails unless every line came.
once() {
  local lines="$work/$1.lines" spent="$work/$1.spent"
  case $2 in
    pipe) { "$1_logs" /usr/bin/time -o "$spent" -f '%e %U %S %M' || true; } | wc -l >"$lines" ;;
    file) "$1_logs" /usr/bin/time -o "$spent" -f '%e %U %S %M' >"$work/out" || true; wc -l <"$work/out" >"$lines"; rm "$work/out" ;;
    # Nobody counts its lines, which would cost it time: as many bytes are as many lines.
    nowhere) [ "$("$1_logs" /usr/bin/time -o "$spent" -f '%e %U %S %M')" = "$bytes" ] && echo 1000000 >"$lines" || echo "not all" >"$lines" ;;
  esac
  [ "$(cat "$lines")" = 1000000 ] || { echo "$1 gave $(cat "$lines") lines" >&2; exit 1; }
  awk '{ printf "%.2f %.2f %.0f\n", $1, $2 + $3, $4 / 1024 }' "$spent"
}
echo "into    floor[s]  kubectl[s]  quarterdeck[s]  to kubectl  to floor  own processor[s]  peak[MB]"
for round in $(seq "$rounds"); do
  for where in pipe file; do
    floor=$(once floor nowhere)
    # Whoever goes first finds a colder cache: they take turns.
    if [ $((round % 2)) = 1 ]; then k=$(once kubectl $where); q=$(once quarterdeck $where); else q=$(once quarterdeck $where); k=$(once kubectl $where); fi
    echo "$where $floor $k $q" | awk '{ printf "%s %.2f %.2f %.2f %.3f %.3f %.2f %d\n", $1, $2, $5, $8, $8 / $5, $8 / $2, $9, $10 }' >>"$work/rows"
    tail -n 1 "$work/rows" | awk '{ printf "%-6s %9s %11s %15s %11s %9s %17s %9s\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
  done
done
for where in pipe file; do
  for column in 5 6; do
    awk -v w=$where -v c=$column '$1 == w { print $c }' "$work/rows" | sort -n |
      awk -v w=$where -v to="$([ $column = 5 ] && echo kubectl || echo 'the floor')" '{ a[NR] = $1 } END { printf "into a %s: median %.3f times %s, from %.3f to %.3f\n", w, a[int((NR + 1) / 2)], to, a[1], a[NR] }'
  done
done
