#!/usr/bin/env python3
"""Runs a program in a pseudo-terminal of 160x45 and says what reaches the terminal.

  terminal.py [--rate BYTES_PER_SECOND] [--seconds S] [--open KEYS] [--ready TEXT] -- COMMAND...

Waits for TEXT on the screen's stream, sends KEYS, then measures for S seconds: bytes and frames a second, own processor time and
peak memory, and how long a key takes to be answered (`f`: the log is held still, and followed again). With --rate the terminal
takes no more than that, as a thin line does; what the kernel holds in between is 4 KiB.
"""
import argparse, sys, time

from program import Program

p = argparse.ArgumentParser()
p.add_argument("--rate", type=float, default=0)
p.add_argument("--seconds", type=float, default=20)
p.add_argument("--open", default="")
p.add_argument("--ready", default="")
p.add_argument("command", nargs="+")
a = p.parse_args()

program = Program(a.command)
total, tail, allowed, last = 0, b"", 0.0, time.monotonic()


def read(until):
    """Takes in what comes until `until`, within the rate; gives what was read at once."""
    global total, tail, allowed, last
    while True:
        now = time.monotonic()
        if now >= until:
            return b""
        size = 65536
        if a.rate:
            allowed = min(allowed + (now - last) * a.rate, a.rate / 20)
            last = now
            if allowed < 64:
                time.sleep(0.002)
                continue
            size = int(min(allowed, 4096))
        data = program.read(min(until - now, 0.05), size)
        if not data:
            continue
        allowed -= len(data)
        total += len(data)
        tail = (tail + data)[-(1 << 20) :]
        return data


def wait(text, limit):
    global tail
    until = time.monotonic() + limit
    while text not in tail:
        if time.monotonic() > until:
            sys.exit(f"{text!r} never came")
        read(until)
    tail = b""


if a.ready:
    wait(a.ready.encode(), 60)
for key in a.open.split():
    program.send(key.encode().replace(b"ENTER", b"\r"))
    until = time.monotonic() + 0.7
    while read(until):
        pass
wait(b"following", 60) if not a.rate else None
settle = time.monotonic() + 3
while time.monotonic() < settle:
    read(settle)

frames, before, used, start = 0, total, program.cpu(), time.monotonic()
until = start + a.seconds
rest = b""
while time.monotonic() < until:
    data = rest + read(until)
    frames += data.count(b"\x1b[?2026h")
    rest = data[-7:] if not data.endswith(b"\x1b[?2026h") else b""
seconds = time.monotonic() - start
bytes_, used = total - before, program.cpu() - used

answers = []
for i in range(20):
    tail, pressed = b"", time.monotonic()
    program.send(b"f")
    word = b"paused" if i % 2 == 0 else b"following"
    limit = pressed + 10
    while word not in tail and time.monotonic() < limit:
        read(limit)
    answers.append((time.monotonic() - pressed) * 1000)
    pause = time.monotonic() + 0.3
    while time.monotonic() < pause:
        read(pause)
answers.sort()
print(f"{bytes_ / seconds / 1000:.1f} KB/s to the terminal, {frames / seconds:.1f} frames/s, {used / seconds * 100:.1f} % of a core, "
      f"peak {program.memory():.0f} MiB; key to answer {answers[10]:.0f} ms (median), {answers[-1]:.0f} ms (worst of 20)")
program.end()
