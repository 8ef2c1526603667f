"""The full ablation of lesson 09 on the stand-in, several seeds each.

    python -m benchmarks.ablation [--seeds 0 1 2] [--jobs N]
    python -m benchmarks.ablation --show

Every setting of ``dvfl_lib.lessons.ablation_grid`` is trained with every seed in
``runs/ablation``, several at a time; what was interrupted goes on. The result is
``benchmarks/results/ablation.json``; ``--show`` prints it as tables and runs nothing.
"""

from __future__ import annotations

import argparse
import json

from dvfl_lib.environment import project_root
from dvfl_lib.lessons.ablation import Ablation, run_ablation, stored_ablation
from dvfl_lib.lessons.ablation_tables import (
    count_told_apart,
    study_markdown,
    verdicts_markdown,
)

from .stored import write_result


def tables(ablation: Ablation) -> str:
    """Every study, what is told apart, and how much of that chance would give."""
    compared, told, by_chance = count_told_apart(ablation)
    pages = [study_markdown(ablation, name) for name in ablation.studies]
    chance = f"by chance alone {by_chance:.0f} would be."
    counted = f"{told} of {compared} differences are more than noise; {chance}"
    return "\n\n".join([*pages, verdicts_markdown(ablation), counted])


def main() -> None:
    """Run what is missing, and store all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=0, help="0: one per core")
    parser.add_argument("--show", action="store_true", help="the stored result")
    options = parser.parse_args()
    if options.show:
        print(tables(stored_ablation()[0]))
        return
    folder = project_root() / "runs" / "ablation"
    found = run_ablation(seeds=options.seeds, folder=folder, jobs=options.jobs)
    # Runs of an interrupted sweep may be older than the file that sums them up.
    runs = [json.loads((folder / f"{name}.json").read_bytes()) for name in found.found]
    content = {
        "commits of the runs": sorted({run["commit"] for run in runs}),
        "data": "Stand-in data; top-1 on its test list 1; demo profile.",
        **found.to_dict(),
    }
    write_result("ablation", "python -m benchmarks.ablation", content)
    print(tables(found))


if __name__ == "__main__":
    main()
