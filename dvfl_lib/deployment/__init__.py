"""A trained network at work: on a stream of frames, on a video file.

* ``reuse.py``        what of a frame is the same in every window
* ``streaming.py``    ``StreamingRecogniser``: frames in, probabilities out
* ``recognition.py``  what it says, and how late
"""

from .recognition import Latency, Recognition
from .streaming import StreamingRecogniser

__all__ = ["Latency", "Recognition", "StreamingRecogniser"]
