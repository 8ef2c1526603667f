"""The processes that write a stand-in: started from any script, ended with Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dvfl_lib.errors import DatasetError
from dvfl_lib.standins.writing import _write_clips
from small_standins import write_small

# No ``if __name__ == "__main__"``: a process that imported it would begin again.
SCRIPT = """
import sys
from pathlib import Path
from dvfl_lib.standins import StandinSize
from dvfl_lib.video.writing import FRAME_RATE, FRAME_SIZE
from dvfl_lib.standins.writing import _write_clips

print("begun", flush=True)
size = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=8)
shape = (FRAME_SIZE, FRAME_RATE)
jobs = [
    (Path(sys.argv[1], f"{n}.avi"), shape, 0, size, "Rising", 1, n) for n in range(4)
]
_write_clips(jobs, 2, False)
print("ended", __name__)
"""


@pytest.mark.slow
def test_a_script_without_a_guard_is_run_once(tmp_path):
    script = tmp_path / "a script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["begun", "ended", "__main__"]
    assert len(list(tmp_path.glob("?.avi"))) == 4


class Deadly:
    """Ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_process_that_is_killed_is_a_plain_message():
    main = sys.modules["__main__"]
    with pytest.raises(DatasetError, match="was ended.*The same command goes on"):
        _write_clips([(Deadly(),)], 2, False)
    assert sys.modules["__main__"] is main


# A shell that starts the tests in the background has the interrupt ignored.
LISTENING = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dvfl_lib.cli import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal here")
def test_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    command = [sys.executable, "-c", LISTENING, "data", "standin", "ucf101"]
    with subprocess.Popen(
        [*command, tmp_path / "s"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        until = time.monotonic() + 200
        while not list(tmp_path.rglob("v_*.avi")) and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=100)
    assert running.returncode == 130, told
    assert "stopped; the same command goes on" in told and "Traceback" not in told


def test_home_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_small("ucf101", Path("~/s"))
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_folder_with_too_long_a_name_is_a_plain_message(tmp_path):
    with pytest.raises(DatasetError, match="too long"):
        write_small("ucf101", tmp_path / ("x" * 300))
