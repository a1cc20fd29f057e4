#!/usr/bin/env bash
# One million lines of one container (133 MB): `quarterdeck logs` against `kubectl logs`, in turn, on one cluster.
#   benches/logs.sh KUBECONFIG [PAIRS] [BINARY]
# Prints each pair, the median of the ratios and its spread, own processor time and peak memory. The pod stays for the next run;
# `kubectl delete namespace qd-bench-logs` removes it. The image busybox:1.35 must be on the node.
set -euo pipefail
export KUBECONFIG=${1:?kubeconfig} LC_ALL=C
pairs=${2:-7} binary=${3:-target/release/quarterdeck} space=qd-bench-logs
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
once() { # NAME COMMAND...: seconds, processor seconds, peak kilobytes; fails unless every line came
  local name=$1 lines; shift
  lines=$({ /usr/bin/time -o "/tmp/$space.$name" -f '%e %U %S %M' "$@" || true; } | wc -l)
  [ "$lines" = 1000000 ] || { echo "$name gave $lines lines" >&2; exit 1; }
  cat "/tmp/$space.$name"
}
echo "pair  kubectl[s]  quarterdeck[s]  ratio  own processor[s]  peak[MB]"
ratios=()
for i in $(seq "$pairs"); do
  # Whoever goes first finds a colder cache: they take turns.
  if [ $((i % 2)) = 1 ]; then k=$(once kubectl kubectl logs million -n $space); q=$(once quarterdeck "$binary" logs $space/million)
  else q=$(once quarterdeck "$binary" logs $space/million); k=$(once kubectl kubectl logs million -n $space); fi
  row=$(echo "$k $q" | awk '{ printf "%.2f %.2f %.3f %.2f %.0f", $1, $5, $5 / $1, $6 + $7, $8 / 1024 }')
  echo "$i $row" | awk '{ printf "%4d %11s %15s %6s %17s %9s\n", $1, $2, $3, $4, $5, $6 }'
  ratios+=("$(echo "$row" | cut -d' ' -f3)")
done
printf '%s\n' "${ratios[@]}" | sort -n | awk '{ a[NR] = $1 } END { printf "median ratio %.3f, from %.3f to %.3f\n", a[int((NR + 1) / 2)], a[1], a[NR] }'
rm -f /tmp/$space.kubectl /tmp/$space.quarterdeck
