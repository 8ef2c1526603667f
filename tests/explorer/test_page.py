"""The explorer's page: one small, safe file that holds the record's maps."""

import base64
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer.covering import covered
from dvfl_lib.explorer.page import unpack_array, write_page
from small_record import small_record

pytestmark = pytest.mark.quick
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def record():
    return small_record(title=HOSTILE, classes=("a", HOSTILE, "c"))


@pytest.fixture(scope="module")
def page(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    return write_page(record, path).read_text("utf-8")


def inside(page, mark):
    return re.search(rf'<script [^>]*id="{mark}">(.*?)</script>', page, re.S)[1]


def test_page_is_small_and_loads_nothing(page):
    assert len(page.encode()) < 5 * 2**20
    assert "http://" not in page and "https://" not in page
    assert not re.search(r"@import|src=|url\(", page)
    assert re.findall(r'href="([^"]*)"', page) == ["data:,"]
    assert "stand-in data" in re.search(r"<title>(.*?)</title>", page, re.S)[1]


def test_hostile_names_stay_text(page):
    assert "<script>alert" not in page
    told = json.loads(inside(page, "told"))
    assert told["title"] == HOSTILE and told["classes"][1] == HOSTILE
    assert page.count("<script") == page.count("</script>") == 3


def test_blob_decodes_to_the_maps(record, page):
    told = json.loads(inside(page, "told"))
    raw = zlib.decompress(base64.b64decode(inside(page, "blob")))
    assert np.array_equal(unpack_array(told["frames"], raw), record.frames)
    network, kept = record.networks[0], told["networks"][0]
    for block, entry in zip(network.maps, kept["blocks"], strict=True):
        pairs = [
            (entry["space"], block.m_space),
            (entry["time"], block.m_time),
            (entry["product"], block.product),
            (entry["gates"]["time"], block.gates["time"]),
            (entry["contribution"], block.contributions("space")),
        ]
        for place, values in pairs:
            gap = np.abs(unpack_array(place, raw) - values).max()
            assert gap <= 0.51 * place["step"] + 1e-9
    for reach, entry in zip(network.reach, kept["blocks"], strict=True):
        for place, values in zip(entry["reach"]["maps"], reach.maps, strict=True):
            assert np.array_equal(unpack_array(place, raw), values)


def test_a_title_that_is_no_utf8_is_written(record, tmp_path):
    odd = replace(record, title="caf\udce9.mp4")
    assert "caf?.mp4: modulator" in write_page(odd, tmp_path / "p.html").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["map", "logits", "outcome"])
def test_numbers_that_no_page_can_show_are_refused(record, tmp_path, part, value):
    entry = record.networks[1]
    block = entry.maps.blocks[2]
    bad = np.full_like(entry.logits, value)
    if part == "map":
        block = replace(block, product=np.full_like(block.product, value))
        blocks = (*entry.maps.blocks[:2], block, *entry.maps.blocks[3:])
        entry = replace(entry, maps=replace(entry.maps, blocks=blocks))
        said = "teacher, stage 3, block 1"
    elif part == "logits":
        entry = replace(entry, maps=replace(entry.maps, logits=bad))
        said = "logits of teacher"
    else:
        last = replace(entry.outcomes[-1], logits=bad)
        entry = replace(entry, outcomes=(*entry.outcomes[:-1], last))
        said = f"teacher, {last.name}"
    spoilt = replace(record, networks=(record.networks[0], entry))
    with pytest.raises(DVFLError, match=f"{said}: there are values"):
        write_page(spoilt, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_the_page_is_told_what_a_map_covers(tmp_path):
    record = small_record((1, 35, 63), grid=0, regions=1)
    page = write_page(record, tmp_path / "page.html").read_text("utf-8")
    told = json.loads(inside(page, "told"))
    for entry, kept in zip(record.networks, told["networks"], strict=True):
        for place, block in zip(entry.maps.places, kept["blocks"], strict=True):
            assert tuple(block["covered"]) == covered(record, entry, place)
