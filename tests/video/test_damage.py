"""Files that are no videos, or no whole ones, are told from good ones."""

import os
import random
from contextlib import suppress
from fractions import Fraction

import av
import pytest
import torch
from PIL import Image

from dvfl_lib.errors import VideoError
from dvfl_lib.video.frame_index import check_frames, index_frames, refuse_picture
from dvfl_lib.video.reading import iter_frames, open_video
from helpers import write_video
from video.test_reading import FRAMES, by_hand, needs, picture, write_streams


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "cannot be found"),
        ("empty", r"0 bytes"),
        ("text", "cannot be opened as a video"),
        ("page", "is a web page"),
        ("pointer", "git lfs pull"),
        ("folder", "not a file"),
        ("cut", "cut short"),
    ],
)
def test_a_bad_file_is_named_and_explained(tmp_path, capfd, what, says):
    path = tmp_path / "bad.avi"
    if what == "empty":
        path.touch()
    elif what == "text":
        path.write_text("404 not found" * 50)
    elif what == "page":
        path.write_text("\n<!DOCTYPE html>\n<title>404 not found</title>" * 50)
    elif what == "pointer":
        path.write_text("version https://git-lfs.github.com/spec/v1\nsize 12345\n")
    elif what == "folder":
        path.mkdir()
    elif what == "cut":
        write_video(path, FRAMES)
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(VideoError, match=says) as caught:
        open_video(path)
    assert str(path) in str(caught.value)
    assert capfd.readouterr().err == ""  # FFmpeg's own complaints stay away


def test_an_animated_webp_says_what_to_do(tmp_path):
    first, *rest = map(Image.fromarray, FRAMES[:5])
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest)
    with pytest.raises(VideoError, match="a.webp: is an animated WebP.* GIF or MP4"):
        open_video(tmp_path / "a.webp")
    first.save(tmp_path / "still.webp")
    with pytest.raises(VideoError, match="is a picture"):
        refuse_picture(tmp_path / "still.webp")


def test_damage_that_a_decoder_mends_is_found_by_a_look(tmp_path):
    path = write_video(tmp_path / "a.avi", FRAMES)
    check_frames(path)
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    content[at : at + 40] = bytes(40)
    path.write_bytes(content)
    assert len(by_hand(path)) == open_video(path).num_frames == 60
    with pytest.raises(VideoError, match=r"(frame \d+ is|is) damaged"):
        check_frames(path)


def test_a_short_piece_that_is_missing_is_found_by_a_look(tmp_path):
    path = write_video(tmp_path / "a.mkv", FRAMES)
    os.truncate(path, path.stat().st_size * 95 // 100)
    count = open_video(path).num_frames
    assert 54 <= count < 60
    with pytest.raises(VideoError, match=f"cut short after {count} frames"):
        check_frames(path)


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("a.mkv", "libx264", "aac"),
        ("a.webm", "libvpx-vp9", "libopus"),
        ("a.flv", "libx264", "aac"),
        ("b.webm", "libvpx-vp9", ""),
    ],
)
def test_a_part_of_a_file_is_cut_short(tmp_path, name, codec, sound):
    path = write_streams(tmp_path / name, codec, sound)
    assert index_frames(path).num_frames == 60
    whole = path.stat().st_size
    for length in range(whole * 3 // 4, whole // 2, -(whole // 97)):  # within a packet
        os.truncate(path, length)  # and between two
        with pytest.raises(
            VideoError, match=f"{name}: (is cut short|breaks off) after"
        ):
            index_frames(path)


def test_a_last_frame_that_is_shown_for_long_is_no_missing_end(tmp_path):
    """As in a recording of a screen on which nothing moves any more."""
    needs("libx264")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.max_b_frames = 0
        packets = [p for f in FRAMES for p in stream.encode(picture(f))]
        packets += stream.encode()
        packets[-1].duration = int(20 / packets[-1].time_base)
        for packet in packets:
            container.mux(packet)
    with av.open(str(path)) as container:
        assert Fraction(container.duration, av.time_base) > 20
    assert index_frames(path).num_frames == 60


def test_b_frames_that_need_a_damaged_frame_are_the_same_alone(tmp_path):
    """It is shown behind them; the decoder fills it in from what it has seen before."""
    needs("libx264")
    path, changed = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_video(path, FRAMES, codec="libx264", bframes=2)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    packet, content = packets[25], path.read_bytes()  # the first behind a key frame
    for at in range(packet.pos + 60, packet.pos + packet.size - 60, 50):
        changed.write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])
        truth = list(iter_frames(changed))
        for number in (25, 26, 27):
            with open_video(changed) as video:
                frame = video.read([number])[0].permute(1, 2, 0).numpy()
            assert (frame == truth[number]).all()


def test_a_damaged_frame_that_the_decoder_leaves_out_moves_no_other(tmp_path):
    """HEVC in Matroska: what is numbered by its place and by its time is one."""
    needs("libx265")
    told = {"x265-params": "log-level=none:keyint=6:bframes=0:pools=1"}
    path = write_video(tmp_path / "a.mkv", FRAMES, "libx265", options=told)
    good, asked = path.read_bytes(), 0
    for seed in range(8):
        draw, content = random.Random(seed), bytearray(good)
        for _ in range(20):
            content[draw.randrange(len(good) // 5, len(good) * 9 // 10)] ^= 16
        path.write_bytes(content)
        with suppress(VideoError), open_video(path) as video:
            every = video.read(range(video.num_frames))
            for number in range(3, video.num_frames, 7):
                assert torch.equal(video.read([number])[0], every[number]), seed
                asked += 1
    assert asked
