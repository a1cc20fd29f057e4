#!/usr/bin/env python3
"""Runs a full-screen program of 160x45 in a pseudo-terminal and prints the seconds until the first line of its screen matches REGEX.

    benches/until.py [--stay SECONDS] REGEX -- CMD...

With --stay it goes on for so long, and prints the share of a core that the program takes over the last two thirds of that, and its
largest resident memory."""
import argparse, re, sys, time

from program import Program

a = argparse.ArgumentParser(usage=__doc__)
a.add_argument("--stay", type=float, default=0)
a.add_argument("regex")
at = sys.argv.index("--") if "--" in sys.argv else a.error("-- CMD... is missing")
o = a.parse_args(sys.argv[1:at])

start = time.monotonic()
program = Program(sys.argv[at + 1 :])
# Only changed cells are written, so what a cell holds is kept: of the first line, by the positions that the program sets.
PIECE = re.compile(r"\x1b\[(\d+);(\d+)H|\x1b\[\??[\d;]*[ -/]*[@-~]|\x1b.|([^\x1b])", re.S)
line, place, rest = [" "] * 400, [1, 1], ""


def first_line(data):
    """The first line of the screen, after `data` has come."""
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
    return "".join(line)


while not re.search(o.regex, first_line(program.read(1))):
    if time.monotonic() > start + 120:
        program.end()
        sys.exit(f"{o.regex!r} did not come within 120 s; the first line is: {''.join(line).strip()}")
print(f"{time.monotonic() - start:.3f}")
if o.stay:
    program.drain(o.stay / 3)
    before = program.cpu()
    program.drain(o.stay * 2 / 3)
    share = 100 * (program.cpu() - before) / (o.stay * 2 / 3)
    print(f"{share:.2f} % of a core, peak {program.memory():.1f} MiB")
program.end()
