"""``python -m dvfl_lib.lessons NOTEBOOK ...``: tidy executed notebooks for a commit."""

import sys

from .display import tidy_notebook

for path in sys.argv[1:]:
    tidy_notebook(path, clean_metadata=True)
