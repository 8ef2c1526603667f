"""The explorer's page: one small, safe file that holds the record's maps."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.explorer.page import unpack_array, write_page
from small_record import small_record

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


def test_unwritable_path_is_told(record, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError):
        write_page(record, tmp_path / "file" / "page.html")
