"""The network in the page says what PyTorch says, in a real browser.

Changes, contexts, gates and modulators, of every network of data/assets and of odd
ones; what the page's 16-bit weights cost; how long an answer takes; and how the front
end asks. Everything runs in the joined script of the front end (page.bundle).
"""

from __future__ import annotations

import base64
import statistics
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from browser.driving import CHROMIUM, on_page
from dvfl_lib.capture import ModulationMaps
from dvfl_lib.explorer import Record, record_clip
from dvfl_lib.explorer.asking import ask
from dvfl_lib.explorer.packing import Packer, pack_maps, pack_record
from dvfl_lib.explorer.page import bundle
from dvfl_lib.explorer.record import rank_correlation, softened
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig
from dvfl_lib.video.transforms import normalise
from small_record import noise, small_networks, small_record

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine"),
]
Change = dict[str, Any]
TRAINED = ("student", "baseline", "teacher")
# Numbers of a page: base64 of float32, for JSON would be slow.
PAGE = """<!doctype html><meta charset="utf-8"><p class="dvfl-alert">front</p>
<script type="module">
%s
const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const textOf = (arrays) => {
  const bytes = arrays.flatMap((a) => [...new Uint8Array(Float32Array.from(a).buffer)]);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
const partsOf = ({ logits, blocks }) => {
  const all = (f) => textOf(blocks.flatMap(f));
  const parts = { logits: textOf([logits]) };
  for (const key of ["q", "space", "time", "product"])
    parts[key] = all((b) => [b[key]]);
  parts.rest = all((b) => [b.rest.space, b.rest.time, b.rest.product]);
  parts.gates = all((b) => [b.gates.space, b.gates.time]);
  parts.contexts = all((b) => [...b.contexts.space, ...b.contexts.time]);
  const head = ({ stage, block, size, covered, channels, levels }) =>
    [stage, block, ...size, ...covered, channels, levels];
  return { parts, heads: blocks.map(head) };
};
window.front = { unpack, makeAsker, STALE, softmax, contributions, rankCorrelation,
  bytesOf, textOf, partsOf };
window.renew = () => {
  for (const asker of window.askers ?? []) asker.close();
  window.askers = window.record.networks.map((_, i) => makeAsker(window.record, i, {}));
};
window.show = async (told, blob) => {
  window.record = await unpack(told, bytesOf(blob).buffer);
  window.renew();
};
</script>"""
ASK = """async ([index, change]) => {
  const began = performance.now();
  const { maps, ms } = await window.askers[index].ask(change);
  return { ...window.front.partsOf(maps), ms, wall: performance.now() - began };
}"""
# What comes of each of several questions, asked at once.
OUTCOMES = """async ([build, changes, then]) => {
  const { STALE, makeAsker } = window.front;
  const asker = eval(build);
  const said = changes.map((change) => asker.ask(change).then(
    () => "answered", (error) => (error === STALE ? "stale" : error.message)));
  eval(then);
  return { said: await Promise.all(said), live: asker.live };
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Any]:
    """An empty page with the front end's functions in ``window.front``."""
    path = tmp_path_factory.mktemp("network") / "page.html"
    path.write_text(PAGE % bundle(), "utf-8")
    with on_page(path) as opened:
        yield opened
        assert opened.faults == []


@pytest.fixture(scope="module")
def trained() -> dict[str, nn.Module]:
    """The networks of data/assets."""
    return {name: trained_network(name)[0] for name in TRAINED}


def packed(
    record: Record, networks: dict[str, nn.Module], exact: bool = True
) -> list[Any]:
    """What ``window.show`` takes."""
    told, raw = pack_record(record, networks, exact=exact)
    return [told, base64.b64encode(zlib.compress(raw, 1)).decode()]


def show(
    page: Any, frames: torch.Tensor, networks: dict[str, nn.Module], exact: bool = True
) -> Record:
    """Put a record of these frames into the page; ``frames``: uint8 (T, 3, H, W)."""
    count = next(iter(networks.values())).num_classes
    record = record_clip(frames, networks, [f"class {n}" for n in range(count)], grid=0)
    page.evaluate("given => window.show(...given)", packed(record, networks, exact))
    return record


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32)


def parts_of(maps: ModulationMaps) -> dict[str, np.ndarray]:
    """As ``partsOf`` in the page."""
    names = {"q": "q", "space": "m_space", "time": "m_time", "product": "product"}
    parts = {key: [getattr(b, name) for b in maps] for key, name in names.items()}
    branches = ("space", "time")
    parts["logits"] = [maps.logits]
    parts["rest"] = [b.rest[key] for b in maps for key in (*branches, "product")]
    parts["gates"] = [b.gates[key] for b in maps for key in branches]
    parts["contexts"] = [z for b in maps for key in branches for z in b.contexts[key]]
    return {
        key: np.concatenate([np.ravel(a) for a in arrays])
        for key, arrays in parts.items()
    }


PLAIN: Change = {"order": list(range(8)), "grey": [], "off": []}


def off(part: str, level: int = 0, place: tuple[int, int] = (0, 0)) -> Change:
    return {"stage": place[0], "block": place[1], "part": part, "level": level}


def changes(size: tuple[int, int, int], last: tuple[int, int]) -> dict[str, Change]:
    """Every kind of change of a clip (T, H, W); ``last``: the last (stage, block)."""
    T, H, W = size
    order = list(range(T))
    kinds: dict[str, Change] = {
        "nothing": {},
        "backwards": {"order": order[::-1]},
        "freeze": {"order": [T // 2] * T},
        "two frames change places": {"order": [*order[1:2], 0, *order[2:]][:T]},
        "grey in one frame": {"grey": [[T - 1, 1, 3, H // 2, W - 2]]},
        "grey in all": {"grey": [[-1, H // 3, 0, H, W // 2]]},
        "grey over the edge": {"grey": [[-1, 0, 0, 9, 9], [0, 4, 4, H + 3, W + 3]]},
        "block off": {"off": [off("block", 0, last)]},
        "first block off": {"off": [off("block", 0, (1, 1))]},
    }
    for branch in ("space", "time"):
        for level in (0, 1, 3):
            kinds[f"{branch} {level} off"] = {"off": [off(branch, level)]}
        kinds[f"{branch} 2 off in one"] = {"off": [off(branch, 2, last)]}
        kinds[f"{branch} off in one"] = {"off": [off(branch, 0, (1, 1))]}
    kinds["several"] = {
        "order": [*order[1:], 0],
        "grey": [[0, 0, 0, H, W // 2], [-1, 2, 2, 9, 9]],
        "off": [off("time", 1, (1, 1)), off("space", 3), off("block", 0, (2, 1))],
    }
    plain = {"order": order, "grey": [], "off": []}
    return {name: plain | change for name, change in kinds.items()}


def compare(page: Any, frames: torch.Tensor, networks: dict[str, nn.Module]) -> dict:
    """Every change in page and PyTorch: the largest difference of each part."""
    record = show(page, frames, networks)
    worst: dict[str, float] = {}
    for index, (name, model) in enumerate(networks.items()):
        last = record.networks[index].maps.places[-1]
        size = (len(frames), *frames.shape[2:])
        for told, change in changes(size, last).items():
            found = page.evaluate(ASK, [index, change])
            maps = ask(record, name, model, change)
            sides = size[1:]
            heads = [
                [b["stage"], b["block"], *b["size"], *b["covered"]]
                + [b["channels"], b["levels"]]
                for b in pack_maps(Packer(), maps, sides)["blocks"]
            ]
            assert found["heads"] == heads
            for part, wanted in parts_of(maps).items():
                ours = numbers(found["parts"][part])
                assert ours.shape == wanted.shape
                scale = np.maximum(1, np.abs(wanted))
                gap = float((np.abs(ours - wanted) / scale).max())
                assert gap < 1e-4, f"{name}, {told}: {part} differs by {gap:.1e}"
                worst[part] = max(worst.get(part, 0), gap)
    return worst


def tell(capsys: Any, text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


@pytest.mark.parametrize("name", TRAINED)
def test_the_page_computes_what_pytorch_does(page, trained, capsys, name):
    """To 1e-4 in every number, of the number where that is above 1."""
    networks = {name: trained[name]}
    for action in ("Rising", "Approaching"):
        worst = compare(page, lesson_clip(action), networks)
        gaps = ", ".join(f"{part} {gap:.1e}" for part, gap in worst.items())
        tell(capsys, f"{name}, {action}, largest differences: {gaps}")


@pytest.mark.parametrize("size", [(5, 50, 70), (1, 16, 16), (2, 64, 31), (9, 17, 40)])
def test_any_frames_of_any_size(page, trained, size):
    compare(page, noise(*size), {"student": trained["student"]})


def test_other_patches_depths_levels_and_windows(page):
    torch.manual_seed(2)
    kinds = {
        "coarse": VFLNetConfig((2, 1, 1), 8),
        "fine": VFLNetConfig((1, 1, 2), 8, patch_size=3),
        "wide": VFLNetConfig((1, 1), 10, 4, 3, 5, 4, 1.5),
        "narrow": VFLNetConfig((1, 1), 6, 5, 1, 1, 2, 2.0),
    }
    networks = {n: VFLNet(c, 3, init="fan_in").eval() for n, c in kinds.items()}
    compare(page, noise(3, 37, 50), networks)


def test_what_weights_in_16_bits_cost(page, trained, capsys):
    """Of 24 clips: no answer becomes another."""
    clips = [lesson_clip(action, group=group) for action in ACTIONS for group in (1, 4)]
    show(page, clips[0], trained, exact=False)
    worst = dict.fromkeys(trained, 0.0)
    for frames in clips:
        pixels = frames.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
        page.evaluate(
            "f => { record.frames = front.bytesOf(f); renew(); }",
            base64.b64encode(pixels).decode(),
        )
        for index, (name, model) in enumerate(trained.items()):
            found = page.evaluate(ASK, [index, PLAIN])
            ours = numbers(found["parts"]["logits"])
            with torch.no_grad():
                wanted = model(normalise(frames)[None])[0].numpy()
            assert ours.argmax() == wanted.argmax(), name
            worst[name] = max(worst[name], float(np.abs(ours - wanted).max()))
    tell(capsys, f"largest difference of a logit by 16 bits: {worst}")
    assert 0 < max(worst.values()) < 1e-3


def test_how_long_an_answer_takes(page, trained, capsys):
    show(page, lesson_clip("Rising"), trained, exact=False)
    for index, name in enumerate(trained):
        asked = [page.evaluate(ASK, [index, PLAIN]) for _ in range(20)]
        for kind in ("ms", "wall"):
            times = sorted(found[kind] for found in asked)
            middle, p95 = statistics.median(times), times[int(0.95 * len(times))]
            told = "in the worker" if kind == "ms" else "for the page"
            tell(capsys, f"{name}, {told}: median {middle:.0f} ms, p95 {p95:.0f} ms")
        assert 0 < asked[0]["ms"] <= asked[0]["wall"]


@pytest.fixture
def small(page) -> Record:
    """In the page, with the weights of its networks."""
    record = small_record((3, 32, 32), grid=0)
    page.evaluate("given => window.show(...given)", packed(record, small_networks()))
    return record


SMALL = {"order": [0, 1, 2], "grey": [], "off": []}


@pytest.mark.parametrize(
    ("build", "then", "said"),
    [
        ("makeAsker(record, 0, {})", "", ["answered", "stale", "stale", "answered"]),
        ("makeAsker(record, 0, {})", "asker.close()", ["stale"] * 4),
    ],
)
def test_only_the_newest_question_waits(page, small, build, then, said):
    found = page.evaluate(OUTCOMES, [build, [SMALL] * 4, then])
    assert found == {"said": said, "live": True}


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("null", "is shown from its record"),
        ("{ ...weights, tensors: {} }", "The network could not answer"),
        ("(window.Worker = Broken, weights)", 'This browser could not run network "st'),
        ("{ get config() { throw Error('no workers'); } }", "no workers"),
    ],
)
def test_what_cannot_be_answered_is_told(page, small, weights, said):
    build = f"""const {{ weights }} = record.networks[0];
        window.kept = Worker;
        const address = URL.createObjectURL(new Blob(["no script"]));
        class Broken extends kept {{ constructor() {{ super(address); }} }}
        const networks = [{{ ...record.networks[0], weights: {weights} }}];
        makeAsker({{ ...record, networks }}, 0, {{}})"""
    found = page.evaluate(OUTCOMES, [build, [SMALL], "window.Worker = kept"])
    assert said in found["said"][0]
    assert found["live"] == (weights != "null")
    page.faults.clear()  # a worker that ends is in the browser's console, too


# A notebook's model, whose kernel is this test.
MODEL = """window.sent = []; window.hear = {};
  window.model = { send: (content) => sent.push(content),
    on: (name, f) => { hear[name] = f; }, off: (name) => { delete hear[name]; } };
  const networks = record.networks.map((n) => ({ ...n, weights: null, kernel: true }));
  window.kernel = makeAsker({ ...record, networks }, 1, model);
  window.said = Promise.allSettled([kernel.ask("one"), kernel.ask("two")]);
  window.reach = kernel.measure(2, [0, 1, 1]);
"""
ANSWER = """([content, text]) => {
  const bytes = front.bytesOf("AAAA" + text);  // begins at a byte that no float32 may
  hear["msg:custom"](content, [new DataView(bytes.buffer, 3)]);
}"""


def test_the_kernel_is_asked_where_no_weights_are(page, small):
    page.evaluate("code => { const { makeAsker } = front; eval(code); }", MODEL)
    first, measure = page.evaluate("window.sent")
    named = {"id": first["id"], "network": "teacher"}
    assert first == named | {"kind": "ask", "change": "one"}
    wanted = {"kind": "measure", "block": 2, "token": [0, 1, 1], "network": "teacher"}
    assert measure == wanted | {"id": measure["id"]} and measure["id"] != first["id"]

    def answer(content: dict[str, Any], raw: bytes = b"") -> None:
        page.evaluate(ANSWER, [content, base64.b64encode(raw).decode()])

    packer, maps = Packer(exact=True), small.network("teacher").maps
    told = pack_maps(packer, maps, (32, 32))
    answer({"kind": "answer", "id": "of another explorer", "maps": told})
    answer({"kind": "answer", "id": first["id"], "maps": told}, packer.raw())
    page.wait_for_function("window.sent.length === 3")
    second = page.evaluate("window.sent[2]")
    answer({"kind": "trouble", "id": second["id"], "text": "the kernel is ill"})
    found = page.evaluate(
        "said.then(([one, two]) => [front.partsOf(one.value.maps), two.reason.message])"
    )
    assert found[1] == "the kernel is ill"
    for part, values in parts_of(maps).items():
        assert (numbers(found[0]["parts"][part]) == values).all()
    packer = Packer()
    reach = {"tokens": [[0, 1, 1]], "sources": [[1, 1]]}
    reach["maps"] = [packer.put(np.arange(12, dtype=np.uint8).reshape(1, 3, 2, 2))]
    answer({"kind": "measured", "id": measure["id"], "reach": reach}, packer.raw())
    told = "reach.then((r) => [r.tokens, r.sources, Array.from(r.maps[0])])"
    assert page.evaluate(told) == [[[0, 1, 1]], [[1, 1]], list(range(12))]
    assert page.evaluate("(kernel.close(), Object.keys(window.hear))") == []


def test_numbers_of_the_record(page, small):
    """As Python has them: contributions, softmax, rank correlations."""
    network = small.networks[1]
    for index, maps in enumerate(network.maps):
        for branch in ("space", "time"):
            found = page.evaluate(
                "([i, b]) => front.textOf([front.contributions("
                "record.networks[1].before.blocks[i], b)])",
                [index, branch],
            )
            assert np.allclose(numbers(found), maps.contributions(branch).ravel())
    for heat in (0.3, 1, 4):
        found = page.evaluate(
            "T => front.softmax(record.networks[1].before.logits, T)", heat
        )
        assert found == pytest.approx(softened(network.logits, heat))
    random = np.random.default_rng(0)
    fine = random.integers(0, 5, (2, 4, 6)).astype(float)  # with ties
    coarse = random.integers(0, 5, (2, 2, 3)).astype(float)
    for a, b in [(fine, coarse), (coarse, fine), (fine, fine**2), (fine, -fine)]:
        found = correlation(page, a, b)
        assert found["value"] == pytest.approx(rank_correlation(a, b), abs=1e-6)
        assert found["reason"] == ""
    for other, said in [(np.ones((2, 2, 3)), "same everywhere"), (fine[:, :3], "fit")]:
        found = correlation(page, fine, other)
        assert found["value"] is None and said in found["reason"]


def correlation(page: Any, *maps: np.ndarray) -> dict[str, Any]:
    given = [part for a in maps for part in (a.ravel().tolist(), list(a.shape))]
    return page.evaluate("given => front.rankCorrelation(...given)", given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("blob.slice(0, 900)", "The record is damaged"),
        ("blob.with(900, blob[900] ^ 1)", "The record is damaged"),
        ("delete window.DecompressionStream", "This browser is too old"),
    ],
)
def test_what_cannot_be_unpacked_is_told(page, change, said):
    networks = small_networks()
    told, blob = packed(small_record((1, 32, 32), grid=0), networks)
    found = page.evaluate(
        """async ([told, text, change]) => {
          const kept = window.DecompressionStream;
          let blob = front.bytesOf(text);
          const changed = eval(change);
          if (changed !== true) blob = changed;
          try { return await front.unpack(told, blob.buffer); }
          catch (error) { return error.message; }
          finally { window.DecompressionStream = kept; }
        }""",
        [told, blob, change],
    )
    assert found.startswith(said)
