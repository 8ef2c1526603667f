"""The explorer in a notebook: the page's front end as a widget, beside a kernel.

Public names: ``Explorer``.
"""

from __future__ import annotations

import base64
import html
import io
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import anywidget
import traitlets
from matplotlib.figure import Figure
from torch import nn

from ..errors import DVFLError
from ..figures import alt_text, heat_maps
from .asking import ask, check_networks, measure
from .packing import Packer, pack_maps, pack_reach, pack_record
from .page import bundle, page_text, style
from .record import Record
from .recording import record_video


class Explorer(anywidget.AnyWidget):
    """Look into a record: the last expression of a cell shows it.

    Args:
        record: see ``record_clip`` and ``load_record``.
        networks: the record's networks by name, in eval mode: then they can be asked.
            Small ones compute in the browser, others in the kernel.
        tour: the step of the guided tour to begin with; 0 for none.

    Attributes:
        record: what is shown; a video that is uploaded takes its place.

    Raises:
        DVFLError: what is given is no record, or networks that it does not hold.
    """

    _esm = bundle()
    _css = style()
    told = traitlets.Dict().tag(sync=True)
    blob = traitlets.Bytes().tag(sync=True)
    tour = traitlets.Int(0).tag(sync=True)
    # ipywidgets 7 would show itself by this, without the picture.
    _ipython_display_ = None

    def __init__(
        self,
        record: Record,
        networks: Mapping[str, nn.Module] | None = None,
        *,
        tour: int = 0,
    ) -> None:
        self._networks = check_networks(record, networks)
        self.record = record
        super().__init__(tour=tour, **self._packed())
        self.on_msg(self._heard)

    def __repr__(self) -> str:
        networks = ", ".join(entry.name for entry in self.record.networks)
        standin = " (stand-in data)" if self.record.standin else ""
        return f"Explorer of {self.record.title!r}{standin}: {networks}"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        """The widget, and a picture for where no widget is drawn, such as GitHub."""
        data, metadata = super()._repr_mimebundle_(**options)
        figure, picture = _still(self.record), io.BytesIO()
        figure.savefig(picture, format="png", dpi=160, metadata={"Software": None})
        png = base64.b64encode(picture.getvalue()).decode()
        words = f"{self!r}. {alt_text(figure)}".replace(r"\$", "$")
        metadata = {**metadata, "image/png": {"alt": words}}
        return {**data, "text/plain": words, "image/png": png}, metadata

    def as_frame(self, height: int = 900) -> _Frame:
        """The page in a frame ``height`` pixels high, where widgets are not drawn."""
        text = html.escape(page_text(self.record, self._networks, self.tour))
        return _Frame(
            f'<iframe srcdoc="{text}" title="{html.escape(repr(self))}" '
            f'style="width: 100%; height: {int(height)}px; border: 0"></iframe>'
        )

    def _packed(self) -> dict[str, Any]:
        told, raw = pack_record(self.record, self._networks, exact=True, kernel=True)
        return {"told": told, "blob": zlib.compress(raw, 1)}

    def _heard(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Answer a message of the front end; what goes wrong is told there."""
        answers = {"ask": self._ask, "measure": self._measure, "video": self._video}
        same = {"id": content["id"]} if "id" in content else {}
        try:
            told, raw = answers[content["kind"]](content, buffers)
        except Exception as error:
            text = str(error)
            if not isinstance(error, DVFLError):
                text = f"The kernel reports {type(error).__name__}: {text}"
            self.send({"kind": "trouble", "text": text, **same})
        else:
            self.send({**told, **same}, raw)

    def _ask(self, content: dict[str, Any], _: Any) -> tuple[dict, list[bytes]]:
        name, packer = content["network"], Packer(exact=True)
        maps = ask(self.record, name, self._networks[name], content["change"])
        told = pack_maps(packer, maps, self.record.frames.shape[1:3])
        return {"kind": "answer", "maps": told}, [packer.raw()]

    def _measure(self, content: dict[str, Any], _: Any) -> tuple[dict, list[bytes]]:
        name, packer = content["network"], Packer()
        where = content["block"], content["token"]
        reach = measure(self.record, name, self._networks[name], *where)
        told = pack_reach(packer, reach)
        return {"kind": "measured", "reach": told}, [packer.raw()]

    def _video(self, content: dict[str, Any], buffers: list[Any]) -> tuple[dict, list]:
        """Record the reader's own video; the front end draws it as it arrives."""
        if not self._networks:
            raise DVFLError(
                "no network is here to look at a video: Explorer(record, networks)"
            )
        old, name = self.record, PurePosixPath(content["name"].replace("\\", "/")).name
        frames, crop = len(old.frames), min(old.frames.shape[1:3])
        told = {
            "title": name,
            "standin": old.standin,
            "about": {entry.name: entry.about for entry in old.networks},
            "grid": 2 if old.networks[0].reach else 0,
            "frames": frames,
            "crop": crop,
            # As trained: 72 for 64 pixels, 128 for 112, 256 for 224.
            "short_side": round(crop / 7) * 8,
            "progress": False,
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "video")  # never a name that somebody sends
            path.write_bytes(bytes(buffers[0]))
            try:
                record = record_video(path, self._networks, old.classes, **told)
            except DVFLError as error:
                raise DVFLError(str(error).replace(str(path), name)) from None
        self.record = record
        with self.hold_sync():  # both at once
            for trait, value in self._packed().items():
                setattr(self, trait, value)
        return {"kind": "recorded"}, []


class _Frame:
    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_html_(self) -> str:
        return self.text


def _still(record: Record) -> Figure:
    """All frames, and how far the modulators of the first block are from 1."""
    entry = record.networks[0]
    maps = entry.maps.blocks[0]
    title = f"{record.title}: {entry.name}, stage {maps.stage}, block {maps.block}"
    parts = {
        "input": record.frames,
        "spatial\nmodulator": maps.rest["space"],
        "temporal\nmodulator": maps.rest["time"],
        "product": maps.rest["product"],
    }
    return heat_maps(
        [list(part) for part in parts.values()],
        row_names=list(parts),
        column_names=[f"frame {n + 1}" for n in range(len(record.frames))],
        # A dollar sign would begin a formula.
        title=title.replace("$", r"\$") + ", distance of the modulators from 1",
        shared="row",
        standin=record.standin,
    )
