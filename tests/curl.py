"""As much of curl as the documentation's samples use, for machines that have none: `python tests/curl.py -s URL …`."""

import sys
from pathlib import Path

import httpx2

TAKING = {"-X", "-H", "-d", "--data-binary", "--data-urlencode", "-o", "-D"}


def main(arguments: list[str]) -> None:
    """Send the request that the arguments describe, and write the answer as curl does."""
    given: dict[str, list[str]] = {option: [] for option in TAKING}
    url, words = "", iter(arguments)
    for word in words:
        if word in TAKING:
            given[word].append(next(words))
        elif not word.startswith("-"):
            url = word
    content = "".join(given["-d"] + given["--data-binary"]).encode()
    method = (given["-X"] or ["POST" if content else "GET"])[0]
    query = dict(pair.split("=", 1) for pair in given["--data-urlencode"])
    headers = [tuple(header.split(": ", 1)) for header in given["-H"]]
    answer = httpx2.request(method, url, params=query or None, headers=headers, content=content or None, timeout=60)
    for path in given["-D"]:
        lines = [f"HTTP/1.1 {answer.status_code}", *(f"{name}: {value}" for name, value in answer.headers.items())]
        Path(path).write_text("\r\n".join(lines) + "\r\n\r\n")
    if given["-o"]:
        Path(given["-o"][0]).write_bytes(answer.content)
    else:
        sys.stdout.buffer.write(answer.content)


main(sys.argv[1:])
