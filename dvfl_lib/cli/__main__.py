"""``python -m dvfl_lib.cli``, for ``accelerate launch -m``."""

import sys

from . import main

sys.exit(main())
