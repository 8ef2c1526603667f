"""A real browser on the explorer: its page from disk, its widget in JupyterLab.

Public names: ``CHROMIUM``, ``on_page``, ``in_lab``, ``settle``,
``choose``.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EXPLORER = ".dvfl"
# The application itself is asked: a click before the kernel is there would be lost.
RUN = """async (name) => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute('docmanager:open', {path: name});
    await panel.context.ready;
    await panel.sessionContext.ready;
    app.shell.activateById(panel.id);
    app.shell.collapseLeft();
    await app.commands.execute('notebook:run-all-cells');
}"""
# Cells outside of the window must stay in the page, or a test cannot find them; and no
# question about news lies over them.
SETTINGS = {
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "apputils-extension/notification": '{"fetchNews": "false"}',
}


@contextmanager
def _browser(width: int, height: int, beside: Any = None, **more: Any) -> Iterator[Any]:
    """A page whose errors are collected in ``page.faults``."""
    from playwright.sync_api import sync_playwright

    with ExitStack() as stack:
        if beside is None:
            playwright = stack.enter_context(sync_playwright())
            options = {"executable_path": CHROMIUM, "args": ["--no-sandbox"]}
            browser = playwright.chromium.launch(**options)
        else:
            browser = beside.context.browser
        window = {"width": width, "height": height}
        context = stack.enter_context(browser.new_context(viewport=window, **more))
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        yield page


@contextmanager
def on_page(
    path: Path,
    height: int = 900,
    *,
    width: int = 1200,
    before: str = "",
    beside: Any = None,
    **more: Any,
) -> Iterator[Any]:
    """The explorer's page, opened from disk with the network cut off.

    What asks a host is a fault as well.

    Args:
        path: of the page.
        height, width: of the window.
        before: a script that runs before those of the page.
        beside: another page, in whose browser this one is opened.
        more: for the browser's context, such as ``color_scheme="dark"``.
    """
    with _browser(width, height, beside, offline=True, **more) as page:
        page.add_init_script(before)
        page.on(
            "console", lambda m: m.type == "error" and page.faults.append(str(m.text))
        )
        page.on(
            "request",
            lambda r: r.url.startswith(("http", "ws")) and page.faults.append(r.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector(".dvfl-frame canvas, .dvfl-alert", timeout=20_000)
        yield page


def settle(page: Any) -> None:
    """Until all is drawn and no network computes."""
    page.wait_for_timeout(60)
    page.wait_for_selector(".dvfl-busy", state="detached")


def choose(page: Any, name: str, key: str = "") -> None:
    """A radio button by a click, or by a key on the one before it."""
    radio = page.get_by_role("radio", name=re.compile(f"^{name}")).first
    radio.press(key) if key else radio.check(force=True)
    settle(page)


@contextmanager
def in_lab(lesson: str, folder: Path) -> Iterator[Any]:
    """A copy of a lesson, run from its first cell to its last in a JupyterLab.

    Args:
        lesson: name of its file.
        folder: an empty one; becomes a checkout whose lesson may be written to.
    """
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / lesson, folder / "notebooks")
    for part in ("dvfl_lib", "data", "pyproject.toml"):
        (folder / part).symlink_to(ROOT / part)
    for name, setting in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(setting)
    with _server(folder) as address, _browser(1200, 2200) as page:
        page.goto(f"{address}/lab")
        page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
        page.set_default_timeout(60_000)
        page.evaluate(RUN, f"notebooks/{lesson}")
        yield page


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=", "--LabApp.news_url=None"]
    command += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.user_settings_dir={folder / 'settings'}"]
    command += [f"--LabApp.workspaces_dir={folder / 'workspaces'}"]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        for _ in range(240):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)
