"""What an operator sets is understood or refused by name."""

from pathlib import Path

import pytest

from runtime.settings import SettingsInvalid, load_settings

pytestmark = pytest.mark.usefixtures("no_variables")


class TestLoadSettings:
    def test_needs_nothing(self) -> None:
        settings = load_settings()
        assert (settings.data_dir, settings.port, settings.database_url) == (Path(".barimt"), 8000, None)

    def test_prefers_the_command_line_to_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_PORT", "9000")
        monkeypatch.setenv("BARIMT_WORKERS", "3")
        settings = load_settings(port=9001, workers=None)
        assert (settings.port, settings.workers) == (9001, 3)

    def test_takes_an_empty_variable_for_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_DATABASE_URL", "")
        assert load_settings().database_url is None

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
    def test_takes_both_spellings_of_the_scheme(self, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        monkeypatch.setenv("BARIMT_DATABASE_URL", f"{scheme}://me:p%40ss@example.org:5433/x?sslmode=require")
        assert load_settings().database_url == "postgresql://me:p%40ss@example.org:5433/x?sslmode=require"

    @pytest.mark.parametrize(
        ("name", "value", "part"),
        [
            ("BARIMT_PORT", "eight", "valid integer"),
            ("BARIMT_PORT", "65536", "less than or equal to 65535"),
            ("BARIMT_WORKERS", "0", "greater than or equal to 1"),
            ("BARIMT_DATABASE_URL", "mysql://me@example.org/x", "postgresql://"),
            ("BARIMT_DATABASE_URL", "example.org", "postgresql://"),
            ("BARIMT_DATABASE_URL", "postgresql://me@example.org:x/y", "Port"),
            ("BARIMT_OIDC_ISSUER", "http://example.org", "https://"),
        ],
    )
    def test_refuses_a_bad_value_by_name(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, part: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsInvalid) as caught:
            load_settings()
        assert str(caught.value).startswith(f"{name}: ")
        assert part in str(caught.value)

    def test_names_every_bad_value_at_once(self) -> None:
        with pytest.raises(SettingsInvalid) as caught:
            load_settings(port=-1, workers=-1)
        assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["BARIMT_PORT", "BARIMT_WORKERS"]

    def test_never_shows_a_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_DATABASE_URL", "mysql://me:secret@example.org/x")
        with pytest.raises(SettingsInvalid) as caught:
            load_settings()
        assert "secret" not in str(caught.value)

    def test_refuses_a_misspelt_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BARIMT_DATABSE_URL", "postgresql://me@example.org/x")
        with pytest.raises(SettingsInvalid, match="did you mean BARIMT_DATABASE_URL"):
            load_settings()
