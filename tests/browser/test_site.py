"""The site: built, its links followed, and looked at in a browser, page by page.

``DVFL_SITE=build/site`` tests a site that is built already.
"""

import functools
import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import zlib
from collections import defaultdict
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from browser.driving import CHROMIUM, ROOT
from tools.site import print_page

LIMIT = 600_000
# What other tools make: they are tested by themselves.
APART = ("explorer", "slides", "quiz")
KINDS = (
    "index learn explore run results reference search course/README course/syllabus "
    "course/notes/06 notebooks/00_start_here notebooks/01_focal_modulation "
    "notebooks/06_knowledge_distillation notebooks/exercises/01_focal_modulation "
    "notebooks/solutions/05_video_data notebooks/RESEARCH benchmarks/README "
    "reference/dvfl_lib.distillation _modules/dvfl_lib/modulation"
).split()
# Text in which a formula was left as it is written.
RAW = r"""() => [...document.querySelectorAll('article :is(p, li, td, h1, h2, .math)')]
  .map(e => { const copy = e.cloneNode(true);
    copy.querySelectorAll('code, pre, mjx-container').forEach(c => c.remove());
    return copy.textContent; }).filter(t => /\\[(\[]|\$\$|\\begin|\\frac/.test(t))"""


class Page(HTMLParser):
    """Of a page: its anchors, what it links to, and its pictures' words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors, self.targets, self.pictures = {"", "top"}, [], []
        self.details = defaultdict(int)
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.anchors |= {told[key] for key in ("id", "name") if told.get(key)}
        for key in ("href", "src", "data-src"):
            if told.get(key):
                self.targets.append(told[key])
        if tag == "img":
            self.pictures.append((told.get("src"), told.get("alt", "")))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; a warning of the build fails."""
    if given := os.environ.get("DVFL_SITE"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "tools.site", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def pages(site):
    """Every page by its name, those of other tools too."""
    found = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    return {path.relative_to(site).as_posix(): Page(path) for path in found}


def own(pages):
    return [name for name in pages if not name.startswith(APART)]


def test_every_lesson_exercise_and_solution_has_a_page_with_its_colab_link(site, pages):
    notebooks = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    assert len(notebooks) >= 33
    for path in notebooks:
        name = path.relative_to(ROOT).with_suffix(".html").as_posix()
        opened = [t for t in pages[name].targets if "colab.research.google.com" in t]
        assert any(t.endswith(path.relative_to(ROOT).as_posix()) for t in opened), name


def test_every_link_and_anchor_inside_answers(site, pages):
    dead = []
    for name, page in pages.items():
        for target in page.targets:
            if re.match(r"[a-z]+:", target):
                continue
            file, anchor = urldefrag(unquote(target).partition("?")[0])
            place = ((site / name).parent / file).resolve() if file else site / name
            if place.is_dir():
                place /= "index.html"
            inside = place.relative_to(site).as_posix()
            if not place.exists():
                dead.append(f"{name}: {target}")
            elif inside in pages and not inside.startswith(APART):
                if anchor not in pages[inside].anchors:
                    dead.append(f"{name}: {target}")
    assert dead == []


def test_no_page_loads_anything_from_another_host(site):
    loaded = re.compile(
        r'<(?:script|img|iframe|source|video)[^>]*\ssrc="((?:https?:)?//[^"]+)"'
        r'|<link[^>]*rel="(?:stylesheet|preload|icon)"[^>]*href="((?:https?:)?//[^"]+)"'
    )
    for path in site.rglob("*.html"):
        assert loaded.findall(path.read_text("utf-8")) == [], path


def test_every_picture_has_words(pages):
    poor = [
        (name, source, alt)
        for name in own(pages)
        for source, alt in pages[name].pictures
        if not source.endswith("colab.svg")
        and (len(alt) < 15 or re.search(r"\.(png|svg|jpe?g)\b", alt))
    ]
    assert poor == []


def test_a_page_weighs_little_without_its_pictures(site, pages):
    heavy = {n: (site / n).stat().st_size for n in own(pages)}
    assert {name: size for name, size in heavy.items() if size > LIMIT} == {}


def test_explorers_of_the_lessons_are_live(pages):
    framed = {
        name: [t for t in pages[name].targets if "explorer/" in t] for name in pages
    }
    assert len(framed["index.html"]) == 1
    lessons = {
        name[10:12]: each for name, each in framed.items() if "notebooks/0" in name
    }
    assert [lessons[n][0][-7:] for n in ("00", "02")] == ["#tour=1", "#tour=4"]
    assert len(lessons["04"]) == 2


def test_what_is_vendored_is_what_it_says():
    folder = ROOT / "tools" / "site" / "vendor"
    told = (folder / "README.md").read_text("utf-8")
    hashes = dict(
        re.findall(r"^\| \[[^]]+\]\(([^)]+)\) .*`([0-9a-f]{64})` \|$", told, re.M)
    )
    assert set(hashes) == {p.name for p in folder.iterdir()} - {"README.md"}
    for name, digest in hashes.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    """Of the site, served: the search reads pages, which no file may."""
    handler = functools.partial(Quiet, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # a page that is closed asks no further
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
        yield started.chromium.launch(**options)


@pytest.fixture
def open_page(chromium, address):
    """Opens a page of the site; what asks another host or complains is a fault."""
    contexts, faults = [], []

    def opened(name, width=1280, **more):
        window = {"width": width, "height": 844}
        contexts.append(chromium.new_context(viewport=window, **more))
        page = contexts[-1].new_page()
        ours = (address, "data:", "blob:", "about:")
        page.on(
            "request",
            lambda r: r.url.startswith(ours) or faults.append(f"{name} asks {r.url}"),
        )
        page.on("pageerror", lambda error: faults.append(f"{name}: {error}"))
        page.on(
            "console",
            lambda m: m.type == "error" and faults.append(f"{name}: {m.text}"),
        )
        page.goto(f"{address}/{name}")
        page.wait_for_load_state("load")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def drawn(page):
    """Until MathJax is through, if the page has formulas."""
    page.evaluate("async () => { await window.MathJax?.startup?.promise; }")


@pytest.mark.nightly
def test_on_a_phone_no_page_scrolls_sideways_or_asks_or_complains(open_page, pages):
    wide, raw = {}, {}
    for name in [*pages, "search.html?q=forward+KL"]:
        if name.startswith(APART[1:]):
            continue
        page = open_page(name, width=390)
        drawn(page)
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide[name] = page.evaluate("document.documentElement.scrollWidth")
        if found := page.evaluate(RAW):
            raw[name] = found
        page.context.close()
    assert (wide, raw) == ({}, {})


@pytest.mark.nightly
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_readers_out(open_page, scheme):
    """On a page of each kind."""
    package = pytest.importorskip("axe_playwright_python")
    axe = resources.files(package).joinpath("axe.min.js").read_text("utf-8")
    grave = {}
    for name in KINDS:
        page = open_page(f"{name}.html", color_scheme=scheme)
        drawn(page)
        page.wait_for_timeout(400)  # colours of the theme fade in
        page.evaluate(axe + "; 0")
        # The explorer in its frame has such a test of its own.
        found = page.evaluate("axe.run({exclude: [['iframe']]}, {preload: false})")
        assert len(found["passes"]) > 15, name
        for fault in found["violations"]:
            if fault["impact"] in ("serious", "critical"):
                grave[name, fault["id"]] = [n["html"][:150] for n in fault["nodes"][:2]]
        page.context.close()
    assert grave == {}


@pytest.mark.nightly
def test_the_search_finds_the_lesson(open_page):
    page = open_page("search.html?q=forward+KL")
    page.wait_for_selector("#search-results li")
    first = page.locator("#search-results li a").first
    assert first.inner_text() == "06 Knowledge distillation"


@pytest.mark.nightly
def test_the_front_page_s_explorer_answers_a_change(open_page):
    page = open_page("index.html")
    page.locator("iframe.explorer").scroll_into_view_if_needed()
    explorer = page.frame_locator("iframe.explorer")
    told = explorer.locator("[data-part=answers]").first
    told.wait_for()
    before = told.inner_text()
    explorer.get_by_role("button", name="Backwards", exact=True).click()
    page.wait_for_timeout(1500)
    assert told.inner_text() != before
    assert "Sinking" in told.inner_text()


@pytest.mark.nightly
def test_the_map_leads_to_the_lessons(open_page):
    page = open_page("index.html")
    links = page.locator("svg.map a")
    assert links.count() == 11
    links.nth(6).click()
    page.wait_for_url("**/notebooks/06_knowledge_distillation.html")


@pytest.mark.nightly
def test_a_question_takes_a_guess_and_opens_by_keyboard(open_page):
    page = open_page("notebooks/01_focal_modulation.html")
    fold = page.locator("article details:not([class])").first
    guess = page.get_by_label("Your guess").first
    assert page.get_by_label("Your guess").count() >= 8
    guess.fill("sixteen times as many")
    guess.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    assert fold.get_attribute("open") is not None
    page.reload()
    assert (
        page.get_by_label("Your guess").first.input_value() == "sixteen times as many"
    )


@pytest.mark.nightly
def test_without_script_a_question_is_a_plain_fold(open_page):
    page = open_page("notebooks/01_focal_modulation.html", java_script_enabled=False)
    assert page.locator("textarea").count() == 0
    page.locator("article details:not([class]) summary").first.press("Enter")
    assert page.locator("article details[open]:not([class])").count() == 1


@pytest.mark.nightly
def test_formulas_are_drawn(open_page):
    page = open_page("notebooks/06_knowledge_distillation.html")
    drawn(page)
    assert page.locator("mjx-container svg").count() > 20
    assert page.locator("mjx-merror").count() == 0


def words_of(pdf):
    """The text of a PDF of Chromium's, which names glyphs and tells their letters."""
    parts, fonts, text = {}, {}, []
    for found in re.finditer(rb"(\d+) 0 obj(.*?)endobj", pdf, re.S):
        head, _, body = found[2].partition(b"stream\n")
        if b"/FlateDecode" in head:
            body = zlib.decompress(body.rpartition(b"\nendstream")[0])
        parts[int(found[1])] = head, body
    for head, _ in parts.values():
        for name, place in re.findall(rb"/F(\d+) (\d+) 0 R", head):
            told = re.search(rb"/ToUnicode (\d+) 0 R", parts[int(place)][0])
            letters = parts[int(told[1])][1].decode() if told else ""
            fonts[name] = dict(re.findall(r"^<(\w{4})> <(\w{4})>$", letters, re.M))
            for row in re.findall(r"^<(\w{4})> <(\w{4})> <(\w{4})>$", letters, re.M):
                first, last, letter = (int(each, 16) for each in row)
                for glyph in range(first, last + 1):
                    code = f"{letter + glyph - first:04X}"
                    fonts[name][f"{glyph:04X}"] = code
    for head, body in parts.values():
        if b"/Font" not in head and b" Tf" in body:
            for font, shown in re.findall(rb"/F(\d+) \S+ Tf|<(\w+)> Tj", body):
                name = font or name
                for glyph in re.findall("....", shown.decode()):
                    text.append(chr(int(fonts[name].get(glyph, "0020"), 16)))
    return "".join(text)


@pytest.mark.nightly
def test_the_pdf_of_a_lesson_holds_its_folded_answers(chromium, site):
    page = chromium.new_page()
    path = print_page(page, site / "notebooks" / "01_focal_modulation.html")
    page.close()
    printed = re.sub(r"\s", "", words_of(path.read_bytes()))
    path.unlink()
    cells = json.loads(
        (ROOT / "notebooks/01_focal_modulation.ipynb").read_text("utf-8")
    )
    texts = ["".join(cell["source"]) for cell in cells["cells"]]
    answers = re.findall(r"</summary>\n\n([\w ,]{12,})", "\n".join(texts))
    assert len(answers) > 5
    assert [a for a in answers if re.sub(r"\s", "", a) not in printed] == []
