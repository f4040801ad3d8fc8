"""Samples for the command line, made of the examples themselves: what is shown is what is tried."""

import json
import shlex
from collections.abc import Iterator
from typing import Any, Final

from pos_gateway.wire import NDJSON

Json = dict[str, Any]
ADDRESS: Final = "http://127.0.0.1:8000"
_READ: Final = '$(python3 -c \'import json; print(json.load(open(".barimt/{file}.json"))["{name}"])\')'

_KEY: Final = (
    "{name}=$(python3 -c 'import base64, pathlib, secrets;"
    " from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key;"
    ' file = pathlib.Path(".barimt/{file}.key"); file.exists() or file.write_text(secrets.token_hex(32));'
    " public = Key.from_private_bytes(bytes.fromhex(file.read_text())).public_key().public_bytes_raw();"
    ' print(base64.urlsafe_b64encode(public).decode().rstrip("="))\')'
)
"""Makes a key in a file, where it is not there yet, and says its public half."""

_TILL: Final = (
    "TOKEN=$(python3 -c 'import pathlib; from cryptography.hazmat.primitives import serialization as form;"
    " from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key;"
    ' key = Key.from_private_bytes(bytes.fromhex(pathlib.Path(".barimt/client.key").read_text()));'
    ' pathlib.Path(".barimt/client.pem").write_bytes('
    "key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))'"
    " && barimt admin terminal token --key-file .barimt/client.pem --client-id "
    + _READ.format(file="activated", name="client_id")
    + ")"
)
"""Gets the token of the till that was activated."""
_LINK: Final = (
    "LINK=$(python3 -c 'import base64, json, pathlib;"
    " from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Key;"
    " from kernel.clock import parse_instant; from receipts import chain, document, keys, qr, receipt;"
    ' said = json.load(open(".barimt/activated.json")); at = parse_instant(said["enrolled_at"], "");'
    ' octets = lambda text: base64.urlsafe_b64decode(text + "==");'
    ' key = Key.from_private_bytes(bytes.fromhex(pathlib.Path(".barimt/till.key").read_text()));'
    ' signer = keys.Signer(key, by_till=True, test=said["test"]);'
    ' head = chain.first_head(seller=int(said["seller"]), terminal=int(said["terminal"]),'
    ' enrolment=octets(said["enrolment"]), enrolled_at=at);'
    ' draft = chain.Draft(receipt.Nature.START, business=False, lottery=False, branch=int(said["branch"]),'
    ' total_mongo=0, vat_mongo=0, document=document.Document(district=said["district"]));'
    " link, head = chain.advance(head, draft, issued_at=at,"
    ' key=chain.ChainKey(signer, octets(said["turnover_key"])));'
    ' print(json.dumps({"qr": qr.encode_text(link.cose),'
    ' "document": base64.urlsafe_b64encode(link.document).decode().rstrip("=")}))\')'
)
"""Signs the first link of the chain of that till."""

TOKENS: Final = {
    "till": "TOKEN=$(barimt admin terminal token .barimt/terminal.json)",
    "consumer": "TOKEN=" + _READ.format(file="consumer", name="token"),
    "officer": "TOKEN=" + _READ.format(file="officer", name="token"),
}
"""How each token is had, after the beginning that the document's first words show."""
VARIABLES: Final = {
    "ID": "ID=" + _READ.format(file="receipt", name="id"),
    "QR": "QR=" + _READ.format(file="receipt", name="qr"),
    "VOIDED": 'VOIDED=$(head -1 .barimt/batch.ndjson | python3 -c \'import json; print(json.loads(input())["receipt"]'
    '["id"])\')',
    "CODE": "CODE=" + _READ.format(file="code", name="code"),
    "KEY": _KEY.format(name="KEY", file="till"),
    "CLIENT": _KEY.format(name="CLIENT", file="client"),
    "SIGNED": _TILL,
    "LINK": _LINK,
    "PREFIX": "PREFIX=" + _READ.format(file="activated", name='shard"]["prefix'),
    "ENTRY": "ENTRY=1  # an `entry` of GET /v1/me/entries",
}
"""What else a sample needs, and how it is had once the samples of POST /v1/receipts, its batch and an activation were
pasted.
"""

BEGIN: Final = """\
barimt admin seller add --tin 37900846788 --name 'Дэлгүүр' --sector 4711 --district 2501 --vat-from 2016-01-01 \\
  --reg-no 2657457
barimt admin seller account add --seller 37900846788 --number 4990037827 --name 'Дэлгүүр'
barimt admin terminal add --seller 37900846788 --number 10012619 --json > .barimt/terminal.json
barimt admin terminal code --seller 37900846788 --number 20000001 --json > .barimt/code.json
barimt admin consumer add --json > .barimt/consumer.json
barimt admin officer add --id tuya --name 'Туяа' --json > .barimt/officer.json
"""
"""Enrols a shop with a terminal and a till to come, a customer and an officer."""

WORDS: Final = f"""\
An open e-receipt, VAT-refund and receipt-lottery system. Tills post sales and get a signed QR code for each; consumers
claim receipts and see what they won; tax officers read what does not fit; anybody checks receipts and draws.

**Begin.** Start `barimt serve`, and in another terminal, in the same folder, enrol a shop, a customer and an officer:

```sh
{BEGIN}```

Then every sample below works when pasted, as often as you like, the receipts' first; those of draws want a month that
was drawn (`make demo` draws March 2017). Money is in möngö, whole numbers of 1/100 MNT; days and
months are Ulaanbaatar's. `Accept-Language: en` asks for English; else people are spoken to in Mongolian.
"""
"""The document's own description."""
TAGS: Final = {
    "tokens": "Where a till begins.",
    "tills": "For tills that sign for themselves: how one begins, and how the centre sees it.",
    "receipts": "For tills: issue, void, look up.",
    "declarations": "For sellers' programs: what a month brought.",
    "consumers": "For an app: claim receipts, see money, entries, and who looked.",
    "draws": "For everybody: the monthly draw, and all that is needed to draw again.",
    "public": "For everybody: the keys with which receipts are verified.",
    "officers": "For tax officers: what does not fit. Every look is recorded.",
    "operation": "For whoever runs the centre.",
}
"""Who uses what, in the order of the page."""

PYTHON: Final = """\
import json, pathlib, secrets, time
import httpx2
from joserfc import jwt
from joserfc.jwk import OKPKey

till = json.load(open(".barimt/terminal.json"))
key = OKPKey.import_key(pathlib.Path(till["key_file"]).read_bytes())
now = int(time.time())
claims = {"iss": till["client_id"], "sub": till["client_id"], "aud": till["token_url"],
          "iat": now, "exp": now + 60, "jti": secrets.token_hex(16)}
answer = httpx2.post(till["token_url"], data={
    "grant_type": "client_credentials",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "client_assertion": jwt.encode({"alg": "Ed25519"}, claims, key, algorithms=["Ed25519"])})
print(answer.json()["access_token"])
"""
"""How a till gets its token, in Python."""


def sample(method: str, path: str, operation: Json, known: Json) -> str:
    """Answer an operation's sample as Markdown: what must be set first, and then the command."""
    schemes = [name for scheme in operation.get("security", []) for name in scheme]
    first = [*(TOKENS[name] for name in schemes), *(VARIABLES[name] for name in known["needs"].values())]
    command = " \\\n  ".join(_command(method, path, operation, known))
    return "```sh\n" + "\n".join([*first, command]) + "\n```"


def _command(method: str, path: str, operation: Json, known: Json) -> Iterator[str]:
    given = known["parameters"]
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", f"${known['needs'][name]}" if name in known["needs"] else str(value))
    yield f"curl -s {ADDRESS}{path}"
    if method not in {"GET", "POST"}:
        yield f"-X {method}"
    if operation.get("security"):
        yield '-H "Authorization: Bearer $TOKEN"'
    places = {said["name"]: said["in"] for said in operation.get("parameters", []) if "name" in said}
    for name in given:
        if places[name] == "header":
            yield "-H " + shlex.quote(f"{name}: {given[name]}")
    query = [name for name in given if places[name] == "query"]
    if query:
        yield "-G"
    for name in query:
        yield "--data-urlencode " + shlex.quote(f"{name}={given[name]}")
    for content in list(known.get("requests", {}).values())[:1]:
        media_type = next(iter(operation["requestBody"]["content"]))
        yield f"-H 'Content-Type: {media_type}'"
        yield f"-d {known['data']}" if "data" in known else _data(media_type, content)
    if "keep" in known:
        yield f"-o .barimt/{known['keep']}" + (f" && cat .barimt/{known['keep']}" if method == "POST" else "")


def _data(media_type: str, content: Any) -> str:
    return "--data-binary " + shlex.quote(body_text(media_type, content))


def body_text(media_type: str, content: Any) -> str:
    """Write an example body as it is sent."""
    if media_type == NDJSON:
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in content) + "\n"
    return json.dumps(content, ensure_ascii=False, indent=1)
