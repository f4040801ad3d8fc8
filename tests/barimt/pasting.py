"""A newcomer with a shell, who pastes what the documentation shows."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from barimt.samples import ADDRESS
from tests.serving import Centre

SETTING = re.compile(r"^[A-Z]+=\$\(.*\)$", re.MULTILINE)
CURL = Path(__file__).parents[1] / "curl.py"


class Pasted(NamedTuple):
    """What a sample was answered."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class Newcomer:
    """Pastes into bash, in a folder whose `.barimt` is the data directory of the running centre."""

    centre: Centre
    folder: Path
    database_url: str
    _set: dict[str, str] = field(default_factory=dict)

    def paste(self, text: str, **variables: str) -> bytes:
        """Paste a block and answer what it printed."""
        done = subprocess.run(
            ["bash", "-euc", text.replace(ADDRESS, self.centre.url)], cwd=self.folder, check=False,
            capture_output=True, env=self._environment() | variables, stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (text, done.stderr.decode(), done.stdout.decode())
        return done.stdout

    def ask(self, text: str) -> Pasted:
        """Paste a sample of one request and answer what it was answered. What it sets first is worked out once: a token
        is good for an hour.
        """
        headers = self.folder / "headers"
        for line in SETTING.findall(text):
            if line not in self._set:
                name = line.partition("=")[0]
                value = self.paste(f'{line}\nprintf %s "${name}"').decode()
                self._set[line] = f"{name}={shlex.quote(value)}"
            text = text.replace(line, self._set[line])
        kept = [word for word in text.split() if word.startswith(".barimt/") and f"-o {word}" in text]
        body = self.paste(text.replace("curl -s ", f"curl -s -D {headers} "))
        if kept:
            body = (self.folder / kept[0]).read_bytes()
        lines = headers.read_text().splitlines()
        said = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Pasted(int(lines[0].split()[1]), said.get("content-type", ""), body)

    def python(self, text: str) -> str:
        """Run a Python sample and answer what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=self.folder, check=False, capture_output=True, text=True,
            env=self._environment(), timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _environment(self) -> dict[str, str]:
        tools = self.folder / "bin"
        if not tools.exists():
            tools.mkdir()
            if shutil.which("curl") is None:
                (tools / "curl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{CURL}" "$@"\n')
                (tools / "curl").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
        return kept | {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BARIMT_DATA_DIR": str(self.folder / ".barimt"),
            "BARIMT_DATABASE_URL": self.database_url,
            "BARIMT_CLOCK_FILE": str(self.centre.clock_file),
            "BARIMT_PORT": self.centre.url.rpartition(":")[2],
        }
