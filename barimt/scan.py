"""`barimt scan IMAGE`: a phone on the command line."""

import json
from pathlib import Path
from typing import Annotated

import httpx2
import typer

from barimt.options import JsonOption, out
from mobile_stub.scan_client import ClaimRefused, scan, sentence
from runtime.unusable import Unusable


class CentreUnreachable(Unusable):
    """The centre did not answer."""


def scan_command(
    image: Annotated[Path, typer.Argument(help="A picture of a receipt.", exists=True, dir_okay=False)],
    token: Annotated[str, typer.Option(help="The consumer's token (barimt admin consumer add).")],
    server: Annotated[str, typer.Option(help="The centre's address.")] = "http://127.0.0.1:8000",
    english: Annotated[bool, typer.Option("--english", help="Say it in English.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Claim the receipt in a picture. Exit 0 credited, 1 refused, 2 unusable."""
    language = "en" if english else "mn"
    try:
        with httpx2.Client(base_url=server) as http:
            claim = scan(image, http=http, token=token, language=language)
    except ClaimRefused as refused:
        out.print(json.dumps(refused.problem, ensure_ascii=False) if as_json else f"✗ {refused}", highlight=False)
        raise typer.Exit(1) from None
    except httpx2.HTTPError as error:
        raise CentreUnreachable(f"The centre at {server} does not answer: {type(error).__name__}") from error
    out.print(json.dumps(claim, ensure_ascii=False) if as_json else f"✓ {sentence(claim, language)}", highlight=False)
