"""A video is one file of a format that recordings have: nothing else is opened on its behalf."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from comodo.errors import DamageError, VideoError
from comodo.layouts.media import FORMATS, limit_memory, open_video, video_stream
from comodo.recordings.small_video import extract, read_frames
from tests.support.mp4 import MANY, in_chunks, sizes, times, write_claims, write_picture
from tests.support.project import ROOT
from tests.support.writers import write_video
from tests.unit.test_memory_bombs import png, refused

DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>'
)
PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{url}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{url}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5000 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": DASH,
    "imf": '<?xml version="1.0"?><CompositionPlaylist><Id>{url}</Id></CompositionPlaylist>',
    "smil": '<smil><body><video src="{url}"/></body></smil>',
    "rtsp": "RTSPtext\nrtsp://127.0.0.1/{url}\n",
    "asx": '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
    "subtitles": "1\n00:00:00,000 --> 00:00:01,000\n{url}\n",
}
NAMES = ("x.mp4", "x.m3u8", "x.ffconcat", "x.sdp", "x.mpd", "x.txt")


@pytest.mark.parametrize(
    "url", ["file:///{}", "{}", "secret.mp4", "concat:{}", "subfile:,,start,0,end,0,,:{}"]
)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_opens_no_other_file(kind: str, url: str, tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4", 20)
    for name in NAMES:
        source = tmp_path / name
        source.write_text(PLAYLISTS[kind].format(url=url.format(secret)))
        with pytest.raises(VideoError, match=name.replace(".", r"\.")) as error:
            extract(source, tmp_path / "out.mp4", 10, 32, 10, 18)
        assert error.value.reason == "video_unreadable"
        if kind == "concat":
            assert f"its format is concat, which is none of {', '.join(FORMATS)}" in str(error.value)
        with pytest.raises(DamageError, match="no mp4"):
            read_frames(source, [0])
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    "name", ["concat:b.mp4|b.mp4", "subfile:,,start,0,end,0,,:b.mp4", "file:b.mp4", "b%d.mp4"]
)
def test_a_path_is_no_url(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the file of that name, or missing."""
    monkeypatch.chdir(tmp_path)
    write_video(Path("b.mp4"), 20)
    write_video(Path("b1.mp4"), 20)
    with pytest.raises(VideoError) as error:
        open_video(Path(name))
    assert error.value.reason == "video_missing_file"
    write_video(Path("c.mp4"), 7).rename(name)
    with open_video(Path(name)) as container:
        assert len(list(container.decode(video=0))) == 7


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "flv", "wmv", "3gp"])
def test_recordings_of_usual_formats_are_read(suffix: str, tmp_path: Path) -> None:
    if suffix == "webm":
        write_video(tmp_path / "a.mkv", 20).rename(tmp_path / "a.webm")
    else:
        write_video(tmp_path / f"a.{suffix}", 20)
    source = (tmp_path / f"a.{suffix}").rename(tmp_path / "a.bin")  # the name tells nothing
    with open_video(source) as container:
        assert len(list(container.decode(video_stream(container, source)))) == 20


def test_a_picture_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(png(32))
    with pytest.raises(VideoError, match="its format is png_pipe"):
        open_video(tmp_path / "a.mp4")
    write_picture(tmp_path / "a.mp4", png(32), 32)
    open_video(tmp_path / "a.mp4").close()


def test_what_no_table_tells_is_bounded_by_the_system(tmp_path: Path) -> None:
    write_claims(tmp_path / "a.mp4", stsz=sizes(MANY), stts=times(MANY), stsc=in_chunks(MANY))
    code = (
        'media.find_overclaim = lambda _: ""\n'
        'small_video.extract(Path("a.mp4"), Path("out.mp4"), 10, 32, 10, 18)'
    )
    said, memory = refused(code, tmp_path)
    assert "VideoError a.mp4" in said
    assert memory < 2100


def test_a_limit_of_memory_ends_with_its_block() -> None:
    with pytest.raises(MemoryError), limit_memory(1 << 28):
        bytearray(1 << 30)
    assert len(bytearray(1 << 29)) == 1 << 29


def test_media_are_opened_in_one_place() -> None:
    """`av.open` for reading stands in one function, and its options are the ones above."""
    found = [
        (path.name, function.name)
        for path in sorted((ROOT / "src").rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("av.open", "av.container.open")
        if "'w'" not in ast.unparse(call)
    ]
    assert found == [("media.py", "_open")]
