"""Where the state of a run lives: on a disk whose locks hold, the same for all who may meet over its devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_autorl.errors import StateError, UsageError
from pytest_autorl.state.place import Place, file_system, is_remote, nearest_folder, place_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime - nfs4 server:/home rw
31 30 0:41 / /srv/my\\040disk rw - xfs /dev/sdb1 rw
32 22 0:42 / /srv rw - ext4 /dev/sdc1 rw
33 22 0:43 / /srv rw - cifs //server/share rw
broken line
"""


def mounts(**points: str) -> str:
    """The kernel's table: type of the file system by mount point, the root is local."""
    lines = ["22 1 8:1 / / rw - ext4 /dev/sda1 rw"]
    lines += [
        f"3{n} 22 0:4{n} / {point} rw - {kind} what rw" for n, (point, kind) in enumerate(points.items())
    ]
    return "\n".join(lines)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A folder that tests say is mounted from elsewhere."""
    folder = tmp_path.resolve() / "remote"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path.resolve() / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


# -- file systems --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/me", "nfs4"),
        ("/homeless", "ext4"),
        ("/srv/my disk/project", "xfs"),
        ("/srv", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_closest_mount(
    path: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two at one point the later one counts: it covers the earlier."""
    monkeypatch.setattr("pytest_autorl.state.place.nearest_folder", lambda each: each)

    assert file_system(Path(path), MOUNTS) == kind


def test_a_folder_that_is_yet_to_be_made_is_on_the_file_system_above_it(remote: Path) -> None:
    assert file_system(remote / "not" / "there", mounts(**{str(remote): "nfs"})) == "nfs"


def test_the_mounts_of_this_machine_are_read_where_it_has_such_a_list(tmp_path: Path) -> None:
    assert bool(file_system(tmp_path)) == Path("/proc/self/mountinfo").exists()


def test_without_a_list_of_mounts_nothing_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS: then every place counts as local."""
    monkeypatch.setattr(Path, "read_text", lambda *args, **more: (_ for _ in ()).throw(FileNotFoundError()))

    assert file_system(tmp_path) == ""
    assert not is_remote("")


def test_the_nearest_folder_is_the_closest_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert nearest_folder(tmp_path) == tmp_path
    assert nearest_folder(tmp_path / "a" / "b") == tmp_path
    assert nearest_folder(Path("a") / "b") == tmp_path


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "9p", "cifs", "virtiofs", "fuse.sshfs", "fuse.rclone", "fuse"]
)
def test_locks_do_not_hold_on_what_other_hosts_see_too(kind: str) -> None:
    assert is_remote(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "fuse.overlayfs"]
)
def test_local_file_systems_are_used(kind: str) -> None:
    """Containers without root have theirs in user space."""
    assert not is_remote(kind)


# -- a place that was named ----------------------------------------------------------------------------------


def test_a_path_that_is_named_stands_whatever_the_devices(tmp_path: Path) -> None:
    path = tmp_path / "new" / "my.db"

    for is_virtual in (True, False):
        assert place_of(str(path), is_virtual=is_virtual, rootdir=tmp_path) == Place(path)


def test_a_folder_stands_for_a_file_in_it(tmp_path: Path) -> None:
    assert place_of(str(tmp_path), is_virtual=True, rootdir=tmp_path).path == tmp_path / "state.db"


def test_signs_of_life_lie_beside_the_file(tmp_path: Path) -> None:
    assert Place(tmp_path / "my.db").holders == tmp_path / "my.db.holders"


@pytest.mark.parametrize("kind", ["nfs", "9p", "cifs", "virtiofs", "fuse.sshfs"])
def test_a_network_file_system_that_was_named_is_refused(remote: Path, kind: str) -> None:
    """Silently to use another would let two runs lease one phone."""
    with pytest.raises(UsageError, match="is on a network file system") as caught:
        place_of(str(remote / "s.db"), is_virtual=False, rootdir=remote, mounts=mounts(**{str(remote): kind}))

    assert f"({kind})" in str(caught.value)
    assert caught.value.do == "name a path on a local disk"


def test_a_container_without_root_may_name_its_disk(remote: Path) -> None:
    table = mounts(**{str(remote): "fuse.overlayfs"})

    assert place_of(str(remote / "s.db"), is_virtual=False, rootdir=remote, mounts=table).note == ""


def test_a_database_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not part of this version") as caught:
        place_of("postgresql://me@host/db", is_virtual=False, rootdir=tmp_path)

    assert "host" not in str(caught.value)


# -- the default ---------------------------------------------------------------------------------------------


def test_simulated_devices_have_their_state_in_the_project_and_others_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two work spaces must meet over one phone; over simulated ones they never do."""
    monkeypatch.setattr("platformdirs.user_state_dir", lambda name: f"/of/the/user/{name}")

    assert (
        place_of("", is_virtual=True, rootdir=tmp_path, mounts="").path == tmp_path / ".autorl" / "state.db"
    )
    assert place_of("", is_virtual=False, rootdir=tmp_path, mounts="").path == Path(
        "/of/the/user/pytest-autorl/state.db"
    )


def test_a_default_on_a_network_file_system_gives_way_to_a_folder_of_our_own_and_says_so(
    remote: Path, temporary: Path
) -> None:
    place = place_of("", is_virtual=True, rootdir=remote, mounts=mounts(**{str(remote): "nfs4"}))

    own = temporary / f"pytest-autorl-{os.getuid()}"
    assert own in place.path.parents
    assert own.stat().st_mode & 0o777 == 0o700
    assert (
        place.note
        == f"{remote / '.autorl'} is on a network file system (nfs4): the state is {place.path} instead"
    )


def test_each_project_has_a_place_of_its_own_there_and_finds_it_again(remote: Path) -> None:
    table = mounts(**{str(remote): "nfs4"})

    paths = [
        place_of("", is_virtual=True, rootdir=remote / name, mounts=table).path for name in ("a", "b", "a")
    ]

    assert paths[0] == paths[2] != paths[1]


def _as_link(folder: Path) -> None:
    (folder.parent / "theirs").mkdir()
    folder.symlink_to(folder.parent / "theirs")


def _as_open(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("make", [_as_link, _as_open, Path.touch])
def test_what_somebody_else_has_put_there_is_refused(remote: Path, temporary: Path, make: object) -> None:
    """The folder for temporary files is everybody's: a link there would lead our writes anywhere."""
    make(temporary / f"pytest-autorl-{os.getuid()}")  # type: ignore[operator]

    with pytest.raises(StateError, match=r"belongs to somebody else|cannot make the folder") as caught:
        place_of("", is_virtual=True, rootdir=remote, mounts=mounts(**{str(remote): "nfs4"}))

    assert "--autorl-state" in caught.value.do


def test_a_folder_of_another_user_is_refused(
    remote: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from the other side: we make it, and ask as somebody else."""
    other = os.getuid() + 1
    (temporary / f"pytest-autorl-{other}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: other)

    with pytest.raises(StateError, match="belongs to somebody else"):
        place_of("", is_virtual=True, rootdir=remote, mounts=mounts(**{str(remote): "nfs4"}))


def test_where_temporary_files_are_on_the_network_too_there_is_no_default(
    remote: Path, temporary: Path
) -> None:
    table = mounts(**{str(remote): "nfs4", str(temporary): "9p"})

    with pytest.raises(StateError, match="are on network file systems") as caught:
        place_of("", is_virtual=True, rootdir=remote, mounts=table)

    assert "--autorl-state" in caught.value.do
