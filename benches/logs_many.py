#!/usr/bin/env python3
"""Many containers at once: `quarterdeck logs --follow` on CONTAINERS pods that say RATE lines a second together.

    benches/logs_many.py [--containers 50] [--rate 20000] [--seconds 20] [--binary target/release/quarterdeck]

The server is a STAND-IN that speaks the few requests which logs need, in HTTP without TLS: a real kubelet gives a third of that rate
on two cores. Every line has its time and a number: whether one is missing or comes twice is counted here, and how late each came."""
import argparse, datetime, http.server, json, os, pathlib, re, subprocess, tempfile, threading, time

a = argparse.ArgumentParser(usage=__doc__)
a.add_argument("--containers", type=int, default=50)
a.add_argument("--rate", type=int, default=20000)
a.add_argument("--seconds", type=float, default=20)
a.add_argument("--binary", default="target/release/quarterdeck")
o = a.parse_args()
TICK = 0.05
start = threading.Event()


def stamp(at):
    whole = datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{int(at % 1 * 1e9):09d}Z"


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        found = re.match(r"/api/v1/namespaces/bench/pods/(p\d+)(/log)?", self.path)
        if not found:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(200)
        if not found[2]:
            status = {"name": "app", "restartCount": 0, "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": found[1], "namespace": "bench", "uid": f"00000000-0000-0000-0000-{int(found[1][1:]):012d}"},
                   "spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Running", "containerStatuses": [status]}}
            body = json.dumps(pod).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return self.wfile.write(body)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        start.wait()
        each = o.rate / o.containers * TICK
        began, sent, ticks = time.time(), 0, 0
        while time.time() - began < o.seconds:
            ticks += 1
            time.sleep(max(0, began + ticks * TICK - time.time()))
            now, text = stamp(time.time()), []
            while sent < ticks * each:
                text.append(f"{now} {sent:07d} level=info msg=\"request served\" path=/api/v1/orders/12345 status=200 duration=12ms trace=4bf92f3577b34da6\n")
                sent += 1
            if data := "".join(text).encode():
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        with lock:
            said[found[1]] = sent
        # A container that goes on without saying anything.
        time.sleep(60)


lock, said = threading.Lock(), {}
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory() as home:
    home = pathlib.Path(home)
    (home / "k").write_text(f"apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{server.server_port}\"}}}}]\n"
                            "users: [{name: u, user: {}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n")
    (home / "c.toml").write_text(f"[[cluster]]\nname = \"bench\"\nkubeconfig = \"{home / 'k'}\"\n")
    pods = [f"bench/p{n}" for n in range(o.containers)]
    client = subprocess.Popen([o.binary, "logs", "--config", str(home / "c.toml"), "--follow", "--output", "json", *pods], stdout=subprocess.PIPE)
    threading.Timer(3, start.set).start()
    seen, late, notes, wrong, began = {}, [], 0, 0, None
    ticks = lambda: sum(int(n) for n in open(f"/proc/{client.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")
    peak = lambda: next(int(l.split()[1]) for l in open(f"/proc/{client.pid}/status") if l.startswith("VmHWM")) / 1024
    end = time.time() + o.seconds + 20
    for raw in client.stdout:
        line = json.loads(raw)
        if "line" not in line:
            notes += 1
            continue
        last = time.time()
        began = began or last
        own, number = line["pod"], int(line["line"][:7])
        wrong += number != seen.get(own, 0)
        seen[own] = number + 1
        if number % 50 == 0:
            at = datetime.datetime.fromisoformat(line["time"][:26].rstrip("Z") + "+00:00").timestamp()
            late.append(time.time() - at)
        if len(said) == o.containers and sum(seen.values()) >= sum(said.values()) or time.time() > end:
            break
    took = last - began
    cpu, memory = ticks(), peak()
    client.terminate()
late.sort()
total = sum(seen.values())
print(f"{o.containers} containers: {total} of {sum(said.values())} lines in {took:.1f} s, {total / took:.0f} a second; {wrong} out of their order or missing, {notes} notices")
print(f"late: median {1000 * late[len(late) // 2]:.0f} ms, p99 {1000 * late[int(0.99 * len(late))]:.0f} ms; {100 * cpu / took:.0f} % of a core, peak {memory:.0f} MiB")
