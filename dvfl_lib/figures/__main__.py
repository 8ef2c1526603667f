"""``python -m dvfl_lib.figures FOLDER``: draw every drawing of the course as SVG."""

import argparse
import sys
from pathlib import Path

from ..errors import DVFLError
from ..files import write_whole
from .drawings import drawing, list_drawings

parser = argparse.ArgumentParser(
    prog="python -m dvfl_lib.figures", description="Draw the course's drawings as SVG."
)
parser.add_argument("folder", type=Path, help="where NAME.svg of each is written")
folder = parser.parse_args().folder
try:
    for name in list_drawings():
        write_whole(folder / f"{name}.svg", drawing(name).svg())
        print(folder / f"{name}.svg")
except DVFLError as trouble:
    sys.exit(f"error: {trouble}")
