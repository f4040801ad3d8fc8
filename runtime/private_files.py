"""Files that nobody else reads: keys, passwords, the till's queue. The till runs on Windows, too."""

import os
import secrets
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Write a file of mode 0600 whole or not at all. Without `replace` an existing file is left as it is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with os.fdopen(open_private(draft, os.O_WRONLY | os.O_EXCL | getattr(os, "O_BINARY", 0)), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        if replace:
            draft.replace(path)
        else:
            path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def open_private(path: Path, flags: int) -> int:
    """Open a file, made with mode 0600 where it is missing; never through a link. What root makes belongs to the
    folder's owner, who would otherwise be kept out of his own data directory. The caller closes the descriptor.
    """
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
