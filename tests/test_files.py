import os
import stat
import subprocess
import sys
import threading

import pytest

from foils.errors import DataError
from foils.files import atomic, lines_of, locked, write_bytes, write_text


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_with_its_bytes_and_nothing_else_stays(tmp_path):
    write_text(tmp_path / "a.txt", "é\n\u2028\r\n")
    write_bytes(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == "é\n\u2028\r\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a.txt", "b.bin"]


def test_folders_are_made(tmp_path):
    write_text(tmp_path / "x" / "y" / "a.txt", "1")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "1"


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with atomic(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == target.parent
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_or_stopped_block_leaves_everything_as_it_was(tmp_path, error):
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def half():
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o022)
    try:
        write_text(tmp_path / "a.txt", "1")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644


def test_a_link_is_followed(tmp_path):
    write_text(tmp_path / "real.txt", "old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_folder_or_a_device_is_refused(tmp_path):
    with pytest.raises(DataError, match="it is a folder"):
        write_text(tmp_path, "1")
    with pytest.raises(DataError, match="it is a device or pipe"):
        write_text("/dev/null", "1")


def test_a_file_in_the_way_of_a_folder(tmp_path):
    write_text(tmp_path / "a", "1")
    with pytest.raises(DataError, match=r"cannot write .*a/b\.txt: (Not a directory|File exists)"):
        write_text(tmp_path / "a" / "b.txt", "1")


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="No such file"), atomic(tmp_path / "a.txt"):
        pass
    assert names(tmp_path) == []


def test_very_long_names_work(tmp_path):
    write_text(tmp_path / ("n" * 255), "1")
    with pytest.raises(DataError, match="name too long"):
        write_text(tmp_path / ("n" * 256), "1")


LIMITED = """
import resource, sys
from pathlib import Path
from foils.errors import DataError
from foils.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 100_000)
except DataError as error:
    print(error)
"""


def test_no_room_is_one_line_and_leaves_no_temporary_file(tmp_path):
    pytest.importorskip("resource")
    out = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a.bin")], capture_output=True, text=True, check=True
    )
    assert out.stdout.startswith("cannot write ")
    assert out.stdout.count("\n") == 1
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match="Permission denied"):
            write_text(tmp_path / "a.txt", "1")
    finally:
        tmp_path.chmod(0o700)


def test_one_at_a_time_in_a_folder(tmp_path):
    target = tmp_path / "n.txt"
    write_text(target, "0")

    def count():
        for _ in range(20):
            with locked(tmp_path):
                write_text(target, str(int(target.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert target.read_text() == "60"
    with pytest.raises(DataError, match=r"cannot open .*nowhere: No such file"), locked(tmp_path / "nowhere"):
        pass


def test_only_line_feeds_end_a_line():
    ends = "\u2028\u2029\x85\x1c\x0b\x0c"
    assert lines_of(f"a{ends}b\r\n\nc\n") == [f"a{ends}b", "", "c"]
    assert (lines_of(""), lines_of("\n"), lines_of("a")) == ([], [""], ["a"])
