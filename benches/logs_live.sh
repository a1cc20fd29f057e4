#!/usr/bin/env bash
# The log pane over pods that never stop: one at 1,000 lines a second, the same on a line of 256 kbit/s, and 50 containers of
# 400 lines a second each.
#   benches/logs_live.sh KUBECONFIG [BINARY]
# The pods are deleted at the end. The image busybox:1.35 must be on the node.
set -euo pipefail
export KUBECONFIG=${1:?kubeconfig} LC_ALL=C.UTF-8
binary=$(realpath "${2:-target/release/quarterdeck}") here=$(dirname "$(realpath "$0")") space=qd-bench-live home=$(mktemp -d)
trap 'kubectl delete namespace $space --wait=false >/dev/null 2>&1; rm -rf "$home"' EXIT
kubectl create namespace $space >/dev/null
for _ in $(seq 60); do kubectl get serviceaccount default -n $space -o name >/dev/null 2>&1 && break; sleep 0.5; done
sleep 2
talkers() { # NAME REPLICAS LINES_A_TENTH
  kubectl apply -n $space -f - >/dev/null <<POD
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: busybox:1.35
        imagePullPolicy: IfNotPresent
        command: ["awk", "BEGIN { while (1) { for (j = 0; j < $3; j++) { i++; printf \"2026-11-21 02:14:07.123  INFO 1 --- [exec-%d] c.m.order.OrderController : request %d took %d ms and found %d\\\\n\", i % 8, i, i * 7919 % 997, i * 104729 % 99991 }; fflush(); system(\"sleep 0.1\") } }"]
POD
  kubectl rollout status deployment/"$1" -n $space --timeout 300s >/dev/null
}
mkdir -p "$home/.config/quarterdeck"
printf '[[cluster]]\nname = "main"\nkubeconfig = "%s"\nnamespaces = ["%s"]\n' "$KUBECONFIG" $space >"$home/.config/quarterdeck/config.toml"
pane() { HOME=$home XDG_CONFIG_HOME= XDG_STATE_HOME=$home/state "$here/terminal.py" "$@" -- "$binary"; }
talkers one 1 100
echo -n "1,000 lines/s:                    "; pane --ready Running --open "4 l z"
rm -rf "$home/state"
echo -n "1,000 lines/s over 256 kbit/s:    "; pane --ready Running --open "4 l z" --rate 32000
kubectl delete deployment one -n $space >/dev/null
talkers many 50 40
rm -rf "$home/state"
echo -n "50 containers, 20,000 lines/s:    "; pane --ready Running --open "gw l z"
# What a reader in a pipe gets of them.
HOME=$home "$binary" logs --follow deploy/$space/many --tail 1 >"$home/out" 2>"$home/err" & reader=$!
sleep 10; from=$(wc -l <"$home/out"); sleep 20; to=$(wc -l <"$home/out"); kill $reader
echo "the same in a pipe:                $(((to - from) / 20)) lines/s; $(grep -c missing "$home/err" || true) gaps told"
