"""Where the state of a run lives: one file for all who may meet over its devices, on a disk whose locks hold."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pytest_autorl.errors import StateError, UsageError

#: File systems whose locks may hold on one host only, or not at all.
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "afs", "gpfs", "ncpfs"}
    | {"9p", "virtiofs", "drvfs", "vboxsf", "fuse"}
)
#: User-space file systems that are local all the same.
_LOCAL_FUSE = frozenset({"fuse.overlayfs", "fuse.fuse-overlayfs", "fuse.lxcfs"})
_FILE = "state.db"


@dataclass(frozen=True)
class Place:
    """The database, and what was to be said about the choice."""

    path: Path
    note: str = ""

    @property
    def holders(self) -> Path:
        """Where processes keep their signs of life."""
        return self.path.with_name(self.path.name + ".holders")


def place_of(option: str, *, is_virtual: bool, rootdir: Path, mounts: str | None = None) -> Place:
    """The place for a run.

    What the user names stands; a folder stands for a file in it. Else devices that belong to the run have theirs in
    its root directory, and those of the host one for all workspaces of the user, so that two cannot lease one phone.

    Args:
        option: Value of ``--autorl-state``, "" when not given; absolute, or from the current folder.
        is_virtual: All devices of the farm belong to the run.
        mounts: Text of ``/proc/self/mountinfo``; default: read now.
    Raises: UsageError for a place that was named and cannot be used; StateError when no other is to be had.
    """
    if "://" in option:
        raise UsageError(
            "--autorl-state with a database URL is not part of this version", do="name a path on a local disk"
        )
    if option:
        path = Path(option)
        path = path / _FILE if path.is_dir() else path
        kind = file_system(path.parent, mounts)
        if is_remote(kind):
            raise UsageError(
                f"--autorl-state {path} is on a network file system ({kind}), where locks do not hold between hosts",
                do="name a path on a local disk",
            )
        return Place(path)
    if is_virtual:
        path = rootdir / ".autorl" / _FILE
    else:
        import platformdirs

        path = Path(platformdirs.user_state_dir("pytest-autorl")) / _FILE
    kind = file_system(path.parent, mounts)
    if not is_remote(kind):
        return Place(path)
    local = _local(path)
    if is_remote(file_system(local, mounts)):
        raise StateError(
            f"{path.parent} and {local.parent} are on network file systems, where locks do not hold between hosts",
            do="name a path on a local disk with --autorl-state",
        )
    return Place(local, f"{path.parent} is on a network file system ({kind}): the state is {local} instead")


def is_remote(kind: str) -> bool:
    """Whether locks on a file system of this type may not hold."""
    return kind in _REMOTE or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)


def _local(path: Path) -> Path:
    """A folder of our own below that for temporary files, another one for each wanted path."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"pytest-autorl-{user}"
    do = "name a path on a local disk with --autorl-state"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StateError(f"cannot make the folder {folder}: {error.strerror}", do=do) from error
    # Anybody can make something of this name: what stands in it is to be ours alone.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
        raise StateError(f"{folder} belongs to somebody else", do=do)
    return folder / hashlib.sha256(os.fsencode(path)).hexdigest()[:16] / path.name


def file_system(path: Path, mounts: str | None = None) -> str:
    """Type of the file system under a folder, or of the closest one above it that exists; "" when it cannot be
    told (no Linux).

    Args:
        mounts: Text of ``/proc/self/mountinfo`` (proc(5)); default: read now.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    place = nearest_folder(path).resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(" "), right.split(" ")
        if len(fields) < 5 or not kinds[0]:
            continue
        # The kernel writes blanks in names as octal escapes.
        point = Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        # Of equal ones the last counts: it is mounted over the earlier.
        if (place == point or point in place.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), kinds[0]
    return kind


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    return next((folder for folder in (path, *path.absolute().parents) if folder.is_dir()), Path("/"))
