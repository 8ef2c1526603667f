"""README's pictures of the explorer are those of its present code."""

from pathlib import Path

import pytest
from PIL import Image

from browser.screenshots import NAMES, fingerprint

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_screenshot_is_current_and_shown(name):
    with Image.open(ROOT / "figures" / name) as picture:
        told = dict(picture.text)
        assert picture.width > 800
    assert told["Description"] == NAMES[name]
    assert told["Explorer"] == fingerprint(), "old: run 'make screenshots'"
    assert f"](figures/{name})" in (ROOT / "README.md").read_text("utf-8")
