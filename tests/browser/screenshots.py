"""``make screenshots``: the explorer in a real browser, as README shows it.

Public names: ``NAMES``, ``fingerprint``, ``main``.

Both fronts of the explorer on lesson 04's clip, in a real browser. Each picture
carries a fingerprint of the explorer's code, so that a test can tell an old one.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from browser.driving import EXPLORER, in_lab, on_page
from dvfl_lib.explorer import record_clip, write_page
from dvfl_lib.files import write_whole
from dvfl_lib.lessons import lesson_clip, trained_network

CODE = Path(__file__).resolve().parents[2] / "dvfl_lib" / "explorer"
NAMES = {
    "explorer_notebook.png": "The modulator explorer in JupyterLab (stand-in data)",
    "explorer_page.png": "The modulator explorer as one HTML page (stand-in data)",
}


def fingerprint() -> str:
    """SHA-256 over the files that decide what the explorer looks like."""
    files = [p for p in CODE.rglob("*") if p.suffix in (".py", ".js", ".css")]
    files += CODE.rglob("*.html")
    content = [p.read_bytes() for p in sorted(files)]
    return hashlib.sha256(b"\0".join(content)).hexdigest()


def main(folder: Path) -> None:
    """Write both pictures."""
    networks, classes = {}, ()
    for name in ("student", "baseline", "teacher"):
        networks[name], story = trained_network(name)
        classes = story["classes"]
    told = {"title": "Rising", "label": "Rising", "standin": True}
    record = record_clip(lesson_clip("Rising"), networks, classes, **told)
    with tempfile.TemporaryDirectory() as work:
        with in_lab("04_seeing_modulators.ipynb", Path(work)) as page:
            part = page.locator(EXPLORER)
            part.scroll_into_view_if_needed()
            page.wait_for_timeout(2000)
            _keep(folder / "explorer_notebook.png", part.screenshot())
        page_path = write_page(record, Path(work) / "record.html")
        with on_page(page_path) as page:
            _keep(folder / "explorer_page.png", page.screenshot(full_page=True))


def _keep(path: Path, content: bytes) -> None:
    told = PngInfo()
    told.add_text("Description", NAMES[path.name])
    told.add_text("Explorer", fingerprint())
    file = io.BytesIO()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.save(file, "png", pnginfo=told, optimize=True)
    write_whole(path, file.getvalue())
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
