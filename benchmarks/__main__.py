"""All measurements, one after the other.

    python -m benchmarks            those of speed, memory and arithmetic
    python -m benchmarks --all      those that train as well: hours
    python -m benchmarks --show     what is stored
    python -m benchmarks NAME ...   these

Each runs in a process of its own, as ``python -m benchmarks.NAME`` does, stores its
result and prints its table. One that fails does not keep the others from running; the
exit status then is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

FROM_MINUTES = (
    "network_speed",
    "network_memory",
    "variants",
    "peers",
    "agreement",
    "teacher_cache",
    "reading",
)
FROM_HOURS = ("distillation_seeds", "ablation")
OF_ANOTHER_MACHINE = ("network_speed_2",)  # by name alone
SHOWING = (*FROM_MINUTES[:5], *OF_ANOTHER_MACHINE, "ablation")  # that know --show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 if one of them failed."""
    usual = (*FROM_MINUTES, *FROM_HOURS)
    known = (*usual, *OF_ANOTHER_MACHINE)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--all", action="store_true", help="those that train, too")
    parser.add_argument("--show", action="store_true", help="what is stored")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no measurement {unknown[0]!r}; {', '.join(known)}")
    if options.show and (other := [n for n in options.names if n not in SHOWING]):
        parser.error(f"{other[0]} has no --show; its table is in benchmarks/README.md")
    asked = SHOWING if options.show else usual if options.all else FROM_MINUTES
    failed = []
    for name in options.names or asked:
        print(f"== {name}", flush=True)
        line = [sys.executable, "-m", f"benchmarks.{name}"]
        if subprocess.run([*line, *["--show"] * options.show], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
