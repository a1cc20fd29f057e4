#!/usr/bin/env bash
# Ten steps that do nothing on N hosts over SSH: Ansible without pipelining, Ansible with pipelining and ControlPersist, and
# Quarterdeck with its journal on a disk (fsync on), in turn on the same sshds. Prints each time, the medians and the ratios.
#   benches/ansible.sh [HOSTS] [ROUNDS]       as root; ansible-core and openssh-server installed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hosts=${1:-20} rounds=${2:-3}
# Another binary than the release build: QUARTERDECK_BIN.
[ -n "${QUARTERDECK_BIN:-}" ] || cargo build --locked --release --bin quarterdeck >&2
run=$(realpath "${QUARTERDECK_BIN:-${CARGO_TARGET_DIR:-target}/release/quarterdeck}")
dir=$(mktemp -d /var/tmp/quarterdeck-ansible.XXXXXX)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; rm -rf "$dir"' EXIT
chmod 755 "$dir"; mkdir -p /run/sshd "$dir/home/.config/quarterdeck" "$dir/root"
ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
port=22500
for i in $(seq "$hosts"); do
  while ss -Hltn "sport = :$port" | grep -q .; do port=$((port + 1)); done
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host$i"
  cat >"$dir/sshd$i" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host$i
PidFile none
AuthorizedKeysFile $dir/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
MaxStartups 200
EOF
  # A home with no start-up files of anybody's: those would run at every session, for all three alike.
  unshare --mount sh -c "mount --bind $dir/root /root && exec /usr/sbin/sshd -D -f $dir/sshd$i" 2>>"$dir/sshd.log" & pids+=($!)
  echo "[127.0.0.1]:$port $(cut -d' ' -f1-2 "$dir/host$i.pub")" >>"$dir/known_hosts"
  echo "h$i ansible_host=127.0.0.1 ansible_port=$port ansible_user=root ansible_ssh_private_key_file=$dir/key ansible_python_interpreter=/usr/bin/python3" >>"$dir/inventory"
  printf '[[host]]\nname = "h%s"\naddress = "127.0.0.1"\nport = %s\nuser = "root"\nidentity = "%s"\nssh_config = "%s"\n' "$i" "$port" "$dir/key" "$dir/ssh_config" >>"$dir/home/.config/quarterdeck/config.toml"
  port=$((port + 1))
done
printf 'Host *\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n' "$dir/known_hosts" >"$dir/ssh_config"
steps() { for i in 1 2 3 4 5 6 7 8 9 10; do printf '%s- name: Nothing %s\n%s  command: "true"\n%s  changed_when: false\n' "$1" "$i" "$1" "$1"; done; }
{ printf -- '- hosts: all\n  gather_facts: false\n  tasks:\n'; steps '    '; } >"$dir/ansible.yaml"
{ printf 'name: Nothing\nowner: bench\nhosts: all\ntasks:\n'; steps '  '; } >"$dir/ours.yaml"
ansible() { # PIPELINING CONTROL_PERSIST
  ( cd "$dir"; env ANSIBLE_HOME="$dir/ansible" ANSIBLE_LOCAL_TEMP="$dir/ansible/tmp" ANSIBLE_PIPELINING="$1" ANSIBLE_FORKS="$hosts" ANSIBLE_NOCOWS=1 ANSIBLE_DEPRECATION_WARNINGS=False \
    ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=$2 -o UserKnownHostsFile=$dir/known_hosts -o ControlPath=$dir/cm-%r@%h:%p" \
    ansible-playbook -i inventory ansible.yaml >"$dir/ansible.log" ) || { tail -n 20 "$dir/ansible.log" >&2; exit 1; }
  rm -f "$dir"/cm-* 2>/dev/null || true
}
ours() {
  env -i PATH="$PATH" HOME="$dir/home" XDG_STATE_HOME="$dir/home/state" QUARTERDECK_USER=bench "$run" --write playbook run "$dir/ours.yaml" --yes --forks "$hosts" \
    </dev/null >"$dir/ours.log" 2>&1 || { tail -n 20 "$dir/ours.log" >&2; exit 1; }
}
time_of() { local from to; from=$(date +%s.%N); "$@"; to=$(date +%s.%N); python3 -c "print(f'{$to - $from:.2f}')"; }
sleep 1
for r in $(seq "$rounds"); do
  plain=$(time_of ansible False 60s); piped=$(time_of ansible True 60s); own=$(time_of ours)
  echo "round $r: ansible ${plain} s, with pipelining ${piped} s, quarterdeck ${own} s"
  echo "$plain $piped $own" >>"$dir/times"
done
python3 - "$dir/times" "$hosts" <<'EOF'
import statistics as s, sys
rows = [tuple(map(float, l.split())) for l in open(sys.argv[1])]
plain, piped, own = (s.median(c) for c in zip(*rows))
print(f"{sys.argv[2]} hosts, 10 steps, medians of {len(rows)}: ansible {plain:.2f} s, with pipelining {piped:.2f} s, quarterdeck {own:.2f} s; "
      f"{plain / own:.1f} times and {piped / own:.1f} times as fast")
EOF
