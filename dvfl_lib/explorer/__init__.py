"""The modulator explorer: what each frame, level and branch contributes.

Public names: ``Explorer`` (widgets.py), ``write_page`` (page.py), ``Record``,
``record_clip``, ``record_video``, ``save_record``, ``load_record``, ``View``,
``first_view``, ``strip``, ``save_strip``, ``save_gif``.

A record (record.py) holds everything that is shown of one clip; it is made once
(recording.py), saved as one small file (saving.py), and needs no model afterwards.
"""

from .export import save_gif, save_strip
from .page import write_page
from .pictures import strip
from .record import Record
from .recording import record_clip, record_video
from .saving import load_record, save_record
from .view import View, first_view
from .widgets import Explorer
