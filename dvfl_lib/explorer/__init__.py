"""The modulator explorer: what each frame, level and branch contributes.

Public names: ``Explorer``, ``write_page``, ``Record``, ``record_clip``,
``record_video``, ``save_record``, ``load_record``.

A record holds everything that is shown of one clip; it is made once (recording.py),
saved as one small file (packing.py), and needs no model afterwards.
"""

from .packing import load_record, save_record
from .page import write_page
from .record import Record
from .recording import record_clip, record_video
from .widget import Explorer
