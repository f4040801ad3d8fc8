"""A folder of keys that is a test centre's."""

from pathlib import Path

from barimt.authority import TEST, read_signers
from runtime.key_files import make_secret


class TestReadSigners:
    def test_marks_what_a_test_centre_signs(self, tmp_path: Path) -> None:
        make_secret(tmp_path / "gateway-1.key")
        assert [signer.test for signer in read_signers(tmp_path).values()] == [False]
        (tmp_path / TEST).touch()
        assert [signer.test for signer in read_signers(tmp_path).values()] == [True]
