"""A maker of POS software pastes docs/integrators.md, block by block, beside a running sandbox."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.journeys.sandboxes import Sandbox

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "integrators.md").read_text()
ADDRESS = "http://127.0.0.1:7080"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SET = re.compile(r"^(?:export )?\w+=.*$", re.MULTILINE)
"""What a shell remembers from one block to the next."""


def paste(language: str, block: str, *, before: str, sandbox: Sandbox) -> str:
    """Paste a block and answer what it printed."""
    folder = sandbox.centre.data_dir.root.parents[2]
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir()
        if shutil.which("curl") is None:
            (tools / "curl").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests" / "curl.py"}" "$@"\n')
            (tools / "curl").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BARIMT_")}
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    text = block.replace(ADDRESS, sandbox.url)
    command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euc", f"{before}\n{text}"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=180,
        env=kept | {"PATH": path, "BARIMT_DATABASE_URL": sandbox.database_url, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, (block, done.stdout, done.stderr)
    return done.stdout


class TestIntegrators:
    def test_every_block_does_what_the_text_says(self, sandbox: Sandbox) -> None:
        before, printed = "", []
        for language, block in BLOCKS:
            printed.append(paste(language, block, before=before, sandbox=sandbox))
            if language == "sh":
                before = "\n".join([before, *SET.findall(block)])
        folder = sandbox.centre.data_dir.root.parents[2]
        sale, _, verified, sdk, kit, _, gateway, _, signed = printed
        assert json.loads(sale)["status"] == "SUCCESS"
        assert (folder / "receipt.png").read_bytes().startswith(b"\x89PNG")
        assert "Genuine." in verified
        assert '"success":true' in verified
        assert "totalVAT" in verified
        assert sdk.startswith("037900846788")
        assert json.loads(kit.splitlines()[-1])["verdict"] == "conforms"
        assert json.loads((folder / "verdict.json").read_text())["failing"] == []
        assert gateway.split()[-1] == "10000"
        verdicts = [json.loads(line) for line in signed.splitlines() if line]
        assert [verdict["status"] for verdict in verdicts] == [201, 201]
        assert all(verdict["receipt"]["findings"] == [] for verdict in verdicts)

    def test_names_only_files_and_chapters_that_are_there(self) -> None:
        for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
            assert (ROOT / "docs" / target).exists(), target
        titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
        chapters = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= chapters
