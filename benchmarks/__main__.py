"""All measurements but those that train for hours, one after the other.

    python -m benchmarks            measure and store
    python -m benchmarks --show     what is stored

Each runs in a process of its own, as ``python -m benchmarks.NAME`` does. One that fails
does not keep the others from running; the exit status then is 1.
"""

import subprocess
import sys

SHOWING = ("speed", "speed --sizes", "memory", "peers", "agreement")
WITHOUT_SHOW = ("teacher_logits", "reading")  # their tables are in README.md


def main(show: bool) -> int:
    """Run all; 1 if one of them failed."""
    failed = []
    for line in SHOWING if show else (*SHOWING, *WITHOUT_SHOW):
        print(f"== {line}", flush=True)
        command = [sys.executable, "-m", *f"benchmarks.{line}".split()]
        if subprocess.run([*command, *["--show"] * show], check=False).returncode:
            failed.append(line)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main("--show" in sys.argv[1:]))
