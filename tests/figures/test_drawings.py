"""The course's drawings: true to the code, readable, and as committed."""

import re
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
import torch

from dvfl_lib import create_model
from dvfl_lib.errors import LessonError
from dvfl_lib.lessons import show_drawing
from dvfl_lib.modulation import SpatioTemporalFocalModulation
from helpers import assert_words_are_clear, load_script

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
sys.path.append(str(ROOT / "figures" / "drawings"))
SCRIPT = load_script("figures/drawings/__main__.py")
DRAWINGS = SCRIPT.DRAWINGS
MARGIN = 2  # pixels, of 100 to the inch
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=DRAWINGS)
def name(request) -> str:
    return request.param


@cache
def drawing(name: str):
    return DRAWINGS[name]()


@cache
def svg(name: str) -> bytes:
    return drawing(name).svg()


def told(name: str) -> str:
    """All words of a drawing."""
    return " ".join(t.get_text() for t in drawing(name).figure.axes[0].texts)


def test_every_drawing_has_its_file_and_its_row():
    files = {path.stem for path in (ROOT / "figures").glob("*.svg")}
    assert files == set(list(DRAWINGS))
    rows = re.findall(
        r"^\| \[(\w+)\.svg\]", (ROOT / "figures/README.md").read_text(), re.M
    )
    assert rows == list(DRAWINGS)


def test_the_committed_files_are_what_the_command_writes(tmp_path):
    pin = re.search(r"^matplotlib==(\S+)", (ROOT / "constraints.txt").read_text(), re.M)
    if matplotlib.__version__ != pin[1]:
        pytest.skip(f"drawn with Matplotlib {pin[1]}; here is {matplotlib.__version__}")
    SCRIPT.main(tmp_path / "new")
    for name in list(DRAWINGS):
        written = (tmp_path / "new" / f"{name}.svg").read_bytes()
        committed = (ROOT / "figures" / f"{name}.svg").read_bytes()
        assert written == committed, f"{name} changed: make figures"


def test_a_file_describes_itself(name):
    root = ElementTree.fromstring(svg(name))
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    title, desc = (root.find(f"{SVG}{tag}") for tag in ("title", "desc"))
    assert len(title.text) > 5 and len(desc.text) > 60
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert name in title.get("id"), "ids of two drawings on one page must differ"
    assert desc.text == drawing(name).alt


def test_a_file_needs_nothing_but_itself(name):
    root = ElementTree.fromstring(svg(name))
    assert not list(root.iter(f"{SVG}image")), "a raster picture"
    assert not list(root.iter(f"{SVG}text")), "letters that need a font"
    assert not list(root.iter(f"{SVG}style")), "a rule for the page around it"
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.endswith("href"):
                assert value.startswith("#")
            assert "url(" not in value or "url(#" in value
    assert b"<!DOCTYPE" not in svg(name) and b"date" not in svg(name)
    assert len(svg(name)) < 150_000


def test_words_are_clear_of_each_other_and_large_enough(name):
    figure = drawing(name).figure
    assert_words_are_clear(figure)
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 9


# What they say


def test_the_map_shows_the_lessons_that_are_there():
    there = sorted(path.stem[:2] for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"\b\d\d\b", told("course_map")) == there


def shapes_of_stages() -> list[tuple[int, int]]:
    """(tokens per side, channels) of each stage at 224 x 224, as the network does."""
    with torch.device("meta"):
        network = create_model("vfl_net_nano", num_classes=2)
        x = network.patch_embed(torch.zeros(1, 8, 224, 224, 3))
        found = []
        for layer in network.layers:
            found.append((x.shape[2], x.shape[-1]))
            x = layer(x)
    return found


def test_the_network_has_the_sizes_that_are_drawn():
    words, stages = told("vfl_net"), shapes_of_stages()
    assert re.findall(r"(\d+) × \d+ tokens", words) == [str(n) for n, _ in stages]
    assert re.findall(r"(\d+) channels", words) == [str(n) for _, n in stages]
    assert re.findall(r"(\d) block", words) == ["1", "1", "2", "1"]


def test_a_block_sees_the_cross_that_is_drawn():
    torch.manual_seed(0)
    words = told("space_time_cross")
    one, total = map(int, re.search(r"= (\d+) of (\d+) tokens", words).groups())
    layer = SpatioTemporalFocalModulation(dim=2).double()
    clip = torch.randn(1, 8, 14, 14, 2, dtype=torch.float64, requires_grad=True)
    seen = []
    for output in (layer(clip), layer(layer(clip))):
        (change,) = torch.autograd.grad(output[0, 3, 5, 9].sum(), clip)
        seen.append(int((change[0].abs().sum(-1) > 0).sum()))
    assert seen == [one, total] == [203, 1568]


def test_levels_see_the_squares_that_are_drawn():
    layer = SpatioTemporalFocalModulation(dim=1).double()
    for convolution in layer.focal_layers:
        torch.nn.init.ones_(convolution[0].weight)
    z = image = torch.rand(1, 1, 13, 13, dtype=torch.float64, requires_grad=True)
    words = told("receptive_field")
    drawn = [int(n) for n in re.findall(r"= (\d+) tokens", words)]
    seen = []
    for convolution in layer.focal_layers:
        z = convolution(z)
        (change,) = torch.autograd.grad(z[0, 0, 6, 6], image, retain_graph=True)
        seen.append(int((change > 0).sum()))
    assert [*seen, 13 * 13] == drawn


def test_a_notebook_gets_the_committed_file_and_its_words(name):
    bundle, metadata = show_drawing(name)._repr_mimebundle_()
    assert (
        bundle["image/svg+xml"].encode()
        == (ROOT / "figures" / f"{name}.svg").read_bytes()
    )
    assert bundle["text/plain"] == drawing(name).alt
    assert metadata == {"image/svg+xml": {"alt": drawing(name).alt}}


def test_an_unknown_drawing_is_answered_with_the_known_ones():
    with pytest.raises(LessonError, match="no drawing 'map'; known: course_map, "):
        show_drawing("map")
