#!/usr/bin/env python3
"""From key to frame: runs a full-screen program of 160x45 in a pseudo-terminal, presses keys and takes the time until the screen says so.

    benches/keys.py echo   [--after SECONDS] [--keys N] -- CMD...   letters into the command line, each waited for by itself
    benches/keys.py filter [--after SECONDS] [--keys N] -- CMD...   a pane's filter, a letter at a time, and back

`echo` types letters that no row has, so that a frame which something else asked for is not taken for the answer: it is for a
cluster that loads or churns. `filter` takes the first bytes after a key: it is for a cluster at rest. Prints milliseconds."""
import argparse, re, statistics, sys, time

from program import Program

a = argparse.ArgumentParser(usage=__doc__)
a.add_argument("mode", choices=["echo", "filter"])
a.add_argument("--after", type=float, default=0.3)
a.add_argument("--keys", type=int, default=200)
at = sys.argv.index("--") if "--" in sys.argv else a.error("-- CMD... is missing")
o = a.parse_args(sys.argv[1:at])
program = Program(sys.argv[at + 1 :])
CONTROL = re.compile(rb"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|.)")


def press(key, shown):
    start = time.perf_counter()
    program.send(key)
    while time.perf_counter() - start < 2:
        data = program.read(2)
        if data and (shown is None or shown in CONTROL.sub(b"", data)):
            return 1000 * (time.perf_counter() - start)
    return 2000.0


taken = []
program.drain(o.after)
letters = "ЖЩЮЯЭФДЛБГ"
if o.mode == "echo":
    program.send(b":")
    program.drain(0.05)
    while len(taken) < o.keys:
        for letter in letters:
            taken.append(press(letter.encode(), letter.encode()))
            program.drain(0.004)
        program.send(b"\x15")
        program.drain(0.03)
else:
    program.send(b"4/")
    program.drain(0.3)
    while len(taken) < o.keys:
        for letter in "pod-1":
            taken.append(press(letter.encode(), None))
            program.drain(0.05)
        for _ in range(5):
            taken.append(press(b"\x7f", None))
            program.drain(0.05)
program.end()
taken.sort()
at = lambda share: taken[min(len(taken) - 1, int(share * len(taken)))]
print(f"{o.mode}: {len(taken)} keys, median {statistics.median(taken):.1f} ms, p99 {at(0.99):.1f} ms, worst {taken[-1]:.1f} ms")
