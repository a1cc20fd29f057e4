#!/usr/bin/env python3
"""From key to frame: runs a full-screen program of 160x45 in a pseudo-terminal, presses keys and takes the time until the screen says so.

    benches/keys.py echo   [--after SECONDS] [--keys N] -- CMD...   letters into the command line, each waited for by itself
    benches/keys.py filter [--after SECONDS] [--keys N] -- CMD...   a pane's filter, a letter at a time, and back

`echo` types letters that no row has, so that a frame which something else asked for is not taken for the answer: it is for a
cluster that loads or churns. `filter` takes the first bytes after a key: it is for a cluster at rest. Prints milliseconds."""
import argparse, fcntl, os, pty, re, select, signal, statistics, struct, sys, termios, time

a = argparse.ArgumentParser(usage=__doc__)
a.add_argument("mode", choices=["echo", "filter"])
a.add_argument("--after", type=float, default=0.3)
a.add_argument("--keys", type=int, default=200)
at = sys.argv.index("--") if "--" in sys.argv else a.error("-- CMD... is missing")
o, cmd = a.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]

pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execvp(cmd[0], cmd)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
os.kill(pid, signal.SIGWINCH)
CONTROL = re.compile(rb"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|.)")


def read(limit):
    """What comes within `limit` seconds, or nothing."""
    if not select.select([fd], [], [], limit)[0]:
        return b""
    data = os.read(fd, 1 << 16)
    if b"\x1b[6n" in data:
        os.write(fd, b"\x1b[1;1R")
    return data


def drain(seconds):
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        read(left)


def press(key, shown):
    start = time.perf_counter()
    os.write(fd, key)
    while time.perf_counter() - start < 2:
        data = read(2)
        if data and (shown is None or shown in CONTROL.sub(b"", data)):
            return 1000 * (time.perf_counter() - start)
    return 2000.0


taken = []
drain(o.after)
letters = "ЖЩЮЯЭФДЛБГ"
if o.mode == "echo":
    os.write(fd, b":")
    drain(0.05)
    while len(taken) < o.keys:
        for letter in letters:
            taken.append(press(letter.encode(), letter.encode()))
            drain(0.004)
        os.write(fd, b"\x15")
        drain(0.03)
else:
    os.write(fd, b"4/")
    drain(0.3)
    while len(taken) < o.keys:
        for letter in "pod-1":
            taken.append(press(letter.encode(), None))
            drain(0.05)
        for _ in range(5):
            taken.append(press(b"\x7f", None))
            drain(0.05)
os.kill(pid, signal.SIGTERM)
time.sleep(0.3)
try:
    os.kill(pid, signal.SIGKILL)
except OSError:
    pass
taken.sort()
at = lambda share: taken[min(len(taken) - 1, int(share * len(taken)))]
print(f"{o.mode}: {len(taken)} keys, median {statistics.median(taken):.1f} ms, p99 {at(0.99):.1f} ms, worst {taken[-1]:.1f} ms")
