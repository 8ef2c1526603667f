"""A trained network at work: on a video file, on a stream of frames, as an ONNX file.

Public names: ``open_network``, ``LoadedNetwork``, ``predict_video``, ``Prediction``
(predict.py); ``StreamingRecogniser``, ``Recognition``, ``Latency``
(stream.py); ``FrameSource``, ``open_source``, ``is_camera`` (camera.py);
``write_annotated``, ``check_output`` (annotate.py). What needs the extra
``deploy`` is imported from onnx.py (export, open) and int8.py (quantise, compare), what
needs ``mobile`` from executorch.py (the same for phones).
"""

from .annotate import check_output, write_annotated
from .camera import FrameSource, is_camera, open_source
from .predict import LoadedNetwork, Prediction, open_network, predict_video
from .stream import Latency, Recognition, StreamingRecogniser
