"""All measurements but those that train for hours, one after the other.

    python -m benchmarks            measure and store
    python -m benchmarks --show     what is stored

Each runs in a process of its own, as ``python -m benchmarks.NAME`` does. One that fails
does not keep the others from running; the exit status then is 1.
"""

import subprocess
import sys

ALL = "speed", "speed --sizes", "memory", "peers", "agreement", "teacher_logits"
failed = []
for line in (*ALL, "reading"):
    print(f"== {line}", flush=True)
    command = [sys.executable, "-m", *f"benchmarks.{line}".split(), *sys.argv[1:]]
    if subprocess.run(command, check=False).returncode:
        failed.append(line)
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
