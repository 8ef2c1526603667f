"""``python -m dvfl_lib.lessons``: make lessons ready to be committed.

execute NOTEBOOK ...   stamp, execute in place, tidy, note the minutes, check
stamp NOTEBOOK ...     the badge and the set-up cell only
tidy NOTEBOOK ...      of an executed notebook keep what belongs into a commit
check NOTEBOOK ...     look for hidden errors, stray metadata and dead links
table                  write README's table of lessons

Public names: ``main``.
"""

import sys

from ..environment import project_root
from ..errors import exit_status
from .display import tidy_notebook
from .executing import execute_notebook
from .lint import lint_notebook
from .stamping import stamp_notebook
from .table import update_readme


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble, 2 not understood."""
    command, *paths = arguments or [""]
    known = command in ("execute", "stamp", "tidy", "check", "table")
    if not known or any(path.startswith("-") for path in paths):
        print(__doc__, file=sys.stderr)
        return 2
    stopped = "no file is half written"
    return exit_status("lessons", lambda: _run(command, paths), stopped)


def _run(command: str, paths: list[str]) -> int:
    if command == "table":
        update_readme(project_root())
    wrong = 0
    for path in paths:
        if command == "execute":
            print(f"{path} ...", flush=True)
            print(f"{path} took {execute_notebook(path):.0f} s", flush=True)
        elif command == "stamp":
            stamp_notebook(path)
        elif command == "tidy":
            tidy_notebook(path, clean_metadata=True)
        elif command == "check":
            found = lint_notebook(path)
            wrong += len(found)
            print("".join(f"{path}: {line}\n" for line in found), end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
