"""A trained network at work: on a video file, on a stream of frames.

Public names: ``StreamingRecogniser`` (streaming.py); ``Recognition``, ``Latency``,
``smoothed_table`` (recognition.py); ``FrameSource``, ``open_source``, ``is_camera``
(frames.py); ``Deployed``, ``open_network`` (network.py); ``Prediction``,
``predict_video`` (predicting.py); ``write_annotated``, ``check_output``
(annotating.py). What of a frame is kept between two windows is told in reuse.py.
"""

from .annotating import check_output, write_annotated
from .frames import FrameSource, is_camera, open_source
from .network import Deployed, open_network
from .predicting import Prediction, predict_video
from .recognition import Latency, Recognition, smoothed_table
from .streaming import StreamingRecogniser

__all__ = [
    "Deployed",
    "FrameSource",
    "Latency",
    "Prediction",
    "Recognition",
    "StreamingRecogniser",
    "check_output",
    "is_camera",
    "open_network",
    "open_source",
    "predict_video",
    "smoothed_table",
    "write_annotated",
]
