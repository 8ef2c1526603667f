"""``make screenshots``: the explorer in a real browser, as README shows it.

Public names: ``NAMES``, ``fingerprint``, ``main``.

The explorer of lesson 04's clip, by a kernel and from disk. Each picture
carries a fingerprint of the explorer's code, so that a test can tell an old one.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from browser.driving import EXPLORER, in_lab, on_page
from dvfl_lib.explorer import record_clip, write_page
from dvfl_lib.files import write_whole
from dvfl_lib.lessons import lesson_clip, trained_network

CODE = Path(__file__).resolve().parents[2] / "dvfl_lib" / "explorer"
NAMES = {
    "explorer_notebook.png": "The modulator explorer in JupyterLab: a clip played "
    "backwards, and what three networks answer to it (stand-in data)",
    "explorer_page.png": "The modulator explorer as one HTML page: the same, and the "
    "layer with a map in every box (stand-in data)",
}
STATUS_BAR = 30  # JupyterLab's, in pixels


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
    told = {"title": "Rising", "label": "Rising", "standin": True, "grid": 0}
    record = record_clip(lesson_clip("Rising"), networks, classes, **told)
    with tempfile.TemporaryDirectory() as work:
        with in_lab("04_seeing_modulators.ipynb", Path(work)) as page:
            _change(page)
            shown = page.locator(EXPLORER).first
            shown.evaluate("e => e.closest('.jp-Cell').scrollIntoView()")
            height = _bottom(shown, "answers") + STATUS_BAR
            page.set_viewport_size({"width": 1200, "height": height})
            shown.evaluate("e => e.closest('.jp-Cell').scrollIntoView()")
            page.wait_for_timeout(1000)
            _keep(folder / "explorer_notebook.png", page.screenshot())
        page_path = write_page(record, Path(work) / "record.html", networks)
        with on_page(page_path, color_scheme="dark") as page:
            _change(page)
            height = _bottom(page.locator(EXPLORER), "layer")
            area = {"x": 0, "y": 0, "width": 1200, "height": height}
            picture = page.screenshot(full_page=True, clip=area)
            _keep(folder / "explorer_page.png", picture)


def _change(page: Any) -> None:
    """The clip is played backwards, and a token of what moves is chosen."""
    explorer = page.locator(EXPLORER).first
    explorer.locator(".dvfl-answers").wait_for()
    if explorer.locator(".dvfl-tour").is_visible():
        explorer.get_by_role("button", name="End the tour").click()
    explorer.get_by_role("button", name="Backwards").click()
    frame = explorer.locator(".dvfl-frame canvas").nth(4)
    side = 0.43 * frame.bounding_box()["width"]
    frame.click(position={"x": side, "y": side})
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)
    explorer.locator(".dvfl-busy").first.wait_for(state="detached")


def _bottom(explorer: Any, part: str) -> int:
    """Where a part ends on the screen."""
    box = explorer.locator(f"section[data-part={part}]").bounding_box()
    return int(box["y"] + box["height"])


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
