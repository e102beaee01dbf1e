"""Files and standard input of either format, and what cannot be read."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest

from irqframe.dt import load, parse_dts, to_dtb
from irqframe.errors import Finding, InputError, Span

DATA = Path(__file__).parent / "data"
TEXT = "/dts-v1/; / { a = <1>; };\n"


def finding(path: str | Path, stdin: bytes = b"") -> Finding:
    with pytest.raises(InputError) as raised:
        load(path, stdin=io.BytesIO(stdin))
    (found,) = raised.value.findings
    return found


def test_either_format(tmp_path: Path) -> None:
    text, blob = tmp_path / "t.dtb", tmp_path / "t.dts"  # the content decides, not the name
    text.write_text(TEXT)
    blob.write_bytes(to_dtb(parse_dts(TEXT, "t")))
    for path in (text, str(text), blob, str(blob)):
        tree = load(path)
        assert (tree.root.u32("a"), tree.file) == (1, str(path))
    assert load(text).root.span.line == 1
    assert load(blob).root.span.line == 0


def test_standard_input() -> None:
    for data in (TEXT.encode(), to_dtb(parse_dts(TEXT, "t"))):
        tree = load("-", stdin=io.BytesIO(data))
        assert (tree.root.u32("a"), tree.file) == (1, "<stdin>")


def test_qemu_trees(tmp_path: Path) -> None:
    blob = tmp_path / "virt.dtb"
    blob.write_bytes(gzip.decompress((DATA / "virt-gicv3.dtb.gz").read_bytes()))
    ours, theirs = load(DATA / "virt-gicv3.dts"), load(blob)
    assert [node.path for node in ours.walk()] == [node.path for node in theirs.walk()]


def test_include_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "part.dtsi").write_text("b;")
    (tmp_path / "t.dts").write_text('/dts-v1/; / { /include/ "part.dtsi" };')
    assert load(tmp_path / "t.dts").root.has("b")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("missing", None, "E0001"),
        ("latin1.dts", b'/dts-v1/;\n/ { a = "\xe9"; };', "E0002"),
        ("image.png", b"\x89PNG\r\n\0\0", "E0003"),
        ("notes.txt", b"Dear all,\nplease find enclosed\n", "E0003"),
        ("empty", b"", "E0003"),
        ("swapped.dtb", b"\xed\xfe\x0d\xd0" + bytes(60), "E0003"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, code: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    found = finding(path)
    assert found.code == code
    assert found.span.file == str(path)


def test_place_of_what_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "t.dts"
    path.write_bytes(b'/dts-v1/;\n/ { a = "\xe9"; };')
    assert finding(path).span == Span(str(path), 2, 10, 2, 11)


def test_folder(tmp_path: Path) -> None:
    assert finding(tmp_path).code == "E0001"


def test_pipe(tmp_path: Path) -> None:
    """As a shell's process substitution gives one."""
    reader, writer = os.pipe()
    os.write(writer, TEXT.encode())
    os.close(writer)
    assert load(f"/dev/fd/{reader}").root.u32("a") == 1
    os.close(reader)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.dts"
    path.write_text(TEXT)
    path.chmod(0)
    assert "ermission" in finding(path).message


def test_name_with_a_nul() -> None:
    assert finding("a\0b").code == "E0001"


def test_size_is_bounded(tmp_path: Path) -> None:
    large = tmp_path / "large.dtb"
    with large.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    assert finding(large).code == "E0004"
    assert finding("-", b"/dts-v1/; / { };" + b" " * (16 << 20)).code == "E0004"
