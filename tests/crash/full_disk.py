"""A disk that is full for real: a small tmpfs under the data directory, filled to its last byte while tills post.

    python -m tests.crash.full_disk          as root, who may mount; it happens in a mount namespace of its own

`test_failing_disk.py` shows the same by ENOSPC where PostgreSQL's files would grow, on any machine. Here everything
fails that anybody writes, logs and lock files too; in the second round the postmaster is killed while the disk is full,
so that PostgreSQL cannot even start. Exit 0: nothing was restarted by hand, nothing acknowledged is missing.
"""

import errno
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.judge import judge, postgres_log
from tests.crash.serve_process import ServeProcess
from tests.crash.siege import Ordered, Siege, besieged

SIZE = "160m"
"""An empty cluster with its first WAL segments takes some 80 MB."""
REFUSALS = 50
FULL_S = 8.0
INSIDE = "inside"


def main() -> int:
    """Mount, fill, look, and answer the exit code."""
    with tempfile.TemporaryDirectory(prefix="barimt-full-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        mounted = f'mount --make-rprivate / && mount -t tmpfs -o mode=711,size={SIZE} none "$0" && exec "$@"'
        inside = [sys.executable, "-m", "tests.crash.full_disk", INSIDE, name]
        disk = folder / "disk"
        disk.mkdir()
        return subprocess.run(["unshare", "-m", "sh", "-c", mounted, str(disk), *inside], check=False).returncode


def endure(folder: Path) -> None:
    """Fill the disk twice under posting tills, and see that nothing is lost."""
    disk = folder / "disk"
    serve = ServeProcess(disk / "data")
    serve.start()
    with besieged(serve, Ordered(clients=2, linger_s=0.0), folder) as siege:
        itself = serve.process.pid
        for killing in (False, True):
            silence_s = _fill_for_a_while(siege, disk, killing=killing)
            what = "full, and PostgreSQL killed" if killing else "full"
            _say(f"{what}: served again {silence_s:.1f} s after there was space")
        siege.settle()
        assert (siege.ended_by_itself, serve.process.pid) == (0, itself)
        assert "No space left on device" in postgres_log(serve)
        judgement = judge(serve.data_dir, folder)
        assert judgement.faults == [], judgement.faults
        serve.command("check", "--json")
    _say(f"{judgement.keys} receipts acknowledged, each there once and byte for byte; barimt check holds")


def _fill_for_a_while(siege: Siege, disk: Path, *, killing: bool) -> float:
    """Fill the disk, keep it full under refused tills, and answer how long after it was emptied one was served."""
    ballasts = [disk / "ballast", disk / "more-ballast"]
    _fill(ballasts[0])
    siege.await_refusals(REFUSALS)
    siege.linger(FULL_S)
    _fill(ballasts[1])
    if killing and (postmaster := siege.serve.postmaster()) is not None:
        postmaster.kill()
        siege.linger(FULL_S)
    for ballast in ballasts:
        ballast.unlink()
    since = time.monotonic()
    siege.await_recovery(time.monotonic_ns())
    return time.monotonic() - since


def _fill(ballast: Path) -> None:
    """Write until there is no space for another octet."""
    with ballast.open("wb", buffering=0) as file:
        for octets in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(octets))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    assert os.statvfs(ballast.parent).f_bavail == 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    if INSIDE in sys.argv:
        endure(Path(sys.argv[-1]))
    else:
        sys.exit(main())
