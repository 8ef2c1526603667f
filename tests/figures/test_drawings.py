"""The course's drawings: true to the code, readable, and as committed."""

import re
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.transforms import Bbox

from dvfl_lib import create_model
from dvfl_lib.errors import LessonError
from dvfl_lib.figures import PALETTE
from dvfl_lib.lessons import show_drawing
from dvfl_lib.modulation import SpatioTemporalFocalModulation
from helpers import load_script

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


# The files


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


def is_tint(colour: tuple, of: tuple) -> bool:
    """Whether a colour is a mixture of another one and white, as exact as bytes are."""
    depth = 1 - np.array(of)
    share = (1 - np.array(colour)) @ depth / (depth @ depth)
    return share <= 1.01 and np.allclose(1 - share * depth, colour, atol=1.1 / 255)


def test_colours_are_those_of_the_palette(name):
    words = svg(name).decode()
    assert not re.search(r"rgba?\(|Gradient", words)
    parts = [to_rgb(PALETTE[k]) for k in list(PALETTE)[:6]]
    for found in set(re.findall(r"(?:fill|stroke): (#\w+)", words)):
        colour = to_rgb(found)
        grey = max(colour) - min(colour) < 0.01
        assert grey or any(is_tint(colour, part) for part in parts), found


def test_the_ground_is_white(name):
    first = next(ElementTree.fromstring(svg(name)).iter(f"{SVG}path"))
    assert "fill: #ffffff" in first.get("style")


# The layout


def overlap(a: Bbox, b: Bbox) -> bool:
    """Whether two boxes share more than a pixel."""
    both = Bbox.intersection(a, b)
    return both is not None and both.width > 1 and both.height > 1


def inside(small: Bbox, large: Bbox, margin: float = 0) -> bool:
    return (
        small.x0 >= large.x0 + margin
        and small.y0 >= large.y0
        and small.x1 <= large.x1 - margin
        and small.y1 <= large.y1
    )


def faults_of(figure) -> list[str]:
    """What a reader would stumble over: words on words, over edges, under lines."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes, faults = figure.axes[0], []
    words = [(t, t.get_window_extent(canvas.get_renderer())) for t in axes.texts]
    patches = {patch.get_gid(): patch for patch in axes.patches}
    boxes = {gid: patch.get_window_extent() for gid, patch in patches.items()}
    lines = [
        patch.get_transform().transform_path(patch.get_path())
        for gid, patch in patches.items()
        if gid.startswith("arrow")
    ]
    for place, (text, box) in enumerate(words):
        what = repr(text.get_text())
        if not inside(box, figure.bbox, MARGIN):
            faults.append(f"{what} leaves the page")
        for other, other_box in words[place + 1 :]:
            if overlap(box, other_box):
                faults.append(f"{what} covers {other.get_text()!r}")
        if any(line.intersects_bbox(box, filled=False) for line in lines):
            faults.append(f"a line runs through {what}")
        home = (text.get_gid() or "").removesuffix("-words")
        if home and not inside(box, boxes[home], MARGIN):
            faults.append(f"{what} runs out of its box")
        for gid, other_box in boxes.items():
            stays = gid.startswith("panel") and inside(box, other_box, MARGIN)
            loose = gid.startswith(("arrow", "head", "gaps")) or gid == home
            # A sign in a circle lies on the wide box of its sum.
            on_it = gid.startswith("box") and home and inside(boxes[home], other_box)
            if not (stays or loose or on_it) and overlap(box, other_box):
                faults.append(f"{what} lies on {gid}")
    return faults


def test_words_are_clear_of_each_other_and_of_edges(name):
    assert faults_of(drawing(name).figure) == []


def test_nothing_but_words_leaves_the_page_either(name):
    figure = drawing(name).figure
    for patch in figure.axes[0].patches:
        assert inside(patch.get_window_extent(), figure.bbox), patch.get_gid()


def test_the_check_of_the_layout_finds_each_fault():
    canvas = type(drawing("course_map"))(
        "wrong", "Wrong", 2, "A page where all is wrong."
    )
    canvas.words(2, 1, "below")
    canvas.words(2.2, 1, "above")
    canvas.words(7.9, 1.5, "over the edge")
    canvas.box(4, 1, 0.5, 0.3, "too many words")
    canvas.words(6, 0.8, "struck through")
    canvas.line((5, 0.8), (7, 0.8))
    canvas.tokens(2.8, 1.5, 2, 2, 0.1)
    canvas.words(2.9, 1.6, "on tokens")
    found = "; ".join(faults_of(canvas.figure))
    for fault in ("covers", "leaves", "runs out", "a line", "lies on tokens"):
        assert fault in found


def test_no_letter_is_too_small_to_read(name):
    figure = drawing(name).figure
    assert figure.get_figwidth() == 8
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 9


def test_a_readers_settings_change_nothing(name):
    strange = {
        "font.family": "serif",
        "figure.facecolor": "black",
        "patch.linewidth": 9,
        "text.color": "red",
        "svg.fonttype": "none",
    }
    with matplotlib.rc_context(strange):
        assert DRAWINGS[name]().svg() == svg(name)
    assert matplotlib.rcParams["svg.hashsalt"] is None


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
    bundle = show_drawing(name)._repr_mimebundle_()
    assert (
        bundle["image/svg+xml"].encode()
        == (ROOT / "figures" / f"{name}.svg").read_bytes()
    )
    assert bundle["text/plain"] == drawing(name).alt


def test_an_unknown_drawing_is_answered_with_the_known_ones():
    with pytest.raises(LessonError, match="no drawing 'map'.* it has course_map, "):
        show_drawing("map")
