#!/usr/bin/env python3
"""Runs a full-screen program of 160x45 in a pseudo-terminal and prints the seconds until the first line of its screen matches REGEX.

    benches/until.py [--stay SECONDS] REGEX -- CMD...

With --stay it goes on for so long, and prints the share of a core that the program takes over the last two thirds of that, and its
largest resident memory."""
import argparse, fcntl, os, pty, re, select, signal, struct, sys, termios, time

a = argparse.ArgumentParser(usage=__doc__)
a.add_argument("--stay", type=float, default=0)
a.add_argument("text")
at = sys.argv.index("--") if "--" in sys.argv else a.error("-- CMD... is missing")
o, cmd = a.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]

start = time.monotonic()
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execvp(cmd[0], cmd)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
# Only changed cells are written, so what a cell holds is kept: of the first line, by the positions that the program sets.
PIECE = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[\??[\d;]*[ -/]*[@-~]|\x1b.|([^\x1b])", re.S)
line, place, rest = [" "] * 400, [1, 1], ""


def take(data):
    global rest
    text = rest + data.decode(errors="ignore")
    cut = text.rfind("\x1b", max(0, len(text) - 24))
    text, rest = (text[:cut], text[cut:]) if cut >= 0 and not PIECE.fullmatch(text[cut:]) else (text, "")
    for m in PIECE.finditer(text):
        if m[1]:
            place[:] = int(m[1]), int(m[2])
        elif m[3]:
            if place[0] == 1 and place[1] < len(line):
                line[place[1] - 1] = m[3]
            place[1] += 1
    return re.search(o.text, "".join(line)) is not None


def read(until):
    while (left := until - time.monotonic()) > 0:
        if not select.select([fd], [], [], left)[0]:
            return False
        data = os.read(fd, 1 << 16)
        if b"\x1b[6n" in data:
            os.write(fd, b"\x1b[1;1R")
        if take(data):
            return True
    return False


def ticks():
    f = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(f[11]) + int(f[12])


if not read(start + 120):
    os.kill(pid, signal.SIGTERM)
    sys.exit(f"{o.text!r} did not come within 120 s; the first line is: {''.join(line).strip()}")
print(f"{time.monotonic() - start:.3f}")
if o.stay:
    begin = time.monotonic()
    while time.monotonic() < begin + o.stay / 3:
        read(begin + o.stay / 3)
    before = ticks()
    while time.monotonic() < begin + o.stay:
        read(begin + o.stay)
    share = 100 * (ticks() - before) / os.sysconf("SC_CLK_TCK") / (o.stay * 2 / 3)
    peak = next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmHWM")).split()[1]
    print(f"{share:.2f} % of a core, peak {int(peak) / 1024:.1f} MiB")
os.kill(pid, signal.SIGTERM)
