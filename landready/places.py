"""Where the private servers keep data and sockets, and the account that PostgreSQL runs as.

Both lie under `var` when they can. A socket's path is limited to 107 bytes, and root must run PostgreSQL as another account,
which may not be able to walk down to `var`: then `var/run` and `var/postgres` are links to a folder elsewhere.
"""

import hashlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from landready.errors import LandreadyError

SUPERUSER = "postgres"

# sockaddr_un holds 107 bytes; the longest name below the folder is "supervisor.sock.<pid>".
_SOCKET_FOLDER_LIMIT = 107 - len("/supervisor.sock.4194304")
# Root's folders let PostgreSQL's account pass through to its own, which are 0700; an ordinary user's let nobody.
_FOLDER_MODE = 0o711 if os.geteuid() == 0 else 0o700


class PlaceError(LandreadyError):
    """A folder the servers need belongs to someone else or cannot be reached."""


def socket_folder(var: Path) -> Path:
    """`var/run`, or where that link points when the path is too long or closed to the server's account."""
    return (var / "run").resolve()


def postgres_folder(var: Path) -> Path:
    return (var / "postgres").resolve()


def account() -> str | None:
    """The account PostgreSQL must run as, because it refuses root; None for one's own."""
    return SUPERUSER if os.geteuid() == 0 else None


def make_var(var: Path) -> None:
    """Make the folder when it is not there; one that is keeps its mode.

    Raises:
        PlaceError: it cannot be made or written to.
    """
    try:
        if not var.exists():
            var.mkdir(parents=True)
            var.chmod(_FOLDER_MODE)
    except OSError as error:
        raise PlaceError(f"{var}: {error.strerror}") from error
    if not os.access(var, os.W_OK):
        raise PlaceError(f"没有写权限 · not writable: {var}")


def lay_out(var: Path, say: Callable[[str], None], *, postgres: bool) -> None:
    """Make the folders, `var/run` and `var/postgres` as links to elsewhere where need be, which `say` is told once.

    Raises:
        PlaceError: a folder belongs to another account, or PostgreSQL's account cannot reach its data.
    """
    make_var(var)
    for name in ("log", "redis"):
        (var / name).mkdir(mode=0o700, exist_ok=True)
    var = var.resolve()
    closed = postgres and account() is not None and not _open_to_account(var)
    run, data = var / "run", var / "postgres"
    elsewhere = _elsewhere(var)
    _become(run, elsewhere / "run" if closed or not _fits_sockets(run) else run, say)
    if not postgres:
        return
    if not data.exists():
        _become(data, elsewhere / "postgres" if closed else data, say)
    for folder in ((run / "pg").resolve(), data.resolve()):
        _private_folder(folder, account())
        if not _open_to_account(folder):
            raise PlaceError(f"账户 {account()} 无法到达 · the account cannot reach: {folder}")


def _elsewhere(var: Path) -> Path:
    """A short path of our own, the same at every start."""
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    if account():
        return Path("/var/lib/landready") / digest
    return Path("/tmp") / f"landready-{os.getuid()}-{digest}"  # noqa: S108 - made 0700, another's is refused


def _become(link: Path, target: Path, say: Callable[[str], None]) -> None:
    """Let `link` be the folder `target`: the folder itself, or a link to it."""
    if link.is_symlink() and link.resolve() != target:
        link.unlink()
    if target.parent != link.parent:
        if account():
            _private_folder(target.parent.parent, None)
        _private_folder(target.parent, None)
    _private_folder(target, None)
    if link.resolve() == target:
        return
    if link.is_dir():
        shutil.rmtree(link)  # old sockets: a data folder that exists is never replaced
    link.symlink_to(target)
    say(f"{link} → {target}")


def _private_folder(folder: Path, owner: str | None) -> None:
    """Make `folder` for one account alone; someone else's folder of that name is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    uid = pwd.getpwnam(owner).pw_uid if owner else os.geteuid()
    if folder.is_symlink() or folder.stat().st_uid not in {uid, os.geteuid()}:
        raise PlaceError(f"属于其他账户 · belongs to another account: {folder}")
    if owner:
        os.chown(folder, uid, -1)
    folder.chmod(0o700 if owner else _FOLDER_MODE)


def _fits_sockets(folder: Path) -> bool:
    """Short enough for a unix socket, and without what a connection string or a list of folders would split at."""
    return (
        len(os.fsencode(folder)) <= _SOCKET_FOLDER_LIMIT
        and re.fullmatch(r"[\w./+@-]+", str(folder)) is not None
    )


def _open_to_account(var: Path) -> bool:
    """Whether the account may walk down to `var` (a clone in root's home or in a folder of mode 0700 is closed)."""
    return run_as_account(["test", "-x", str(var)]).returncode == 0


def run_as_account(command: list[str]) -> subprocess.CompletedProcess[str]:
    user = account()
    return subprocess.run(  # noqa: S603 - fixed programs, no shell
        command,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )
