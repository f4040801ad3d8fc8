"""Structured logs without personal data: one JSON object a line, or coloured lines where a person is looking on.

Everything that is logged, by us or by a library, passes `without_personal_data`. An exception is logged as its type
and the places it came through; its own words are left out, because a database driver puts the row into them.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "•••"
PERSONAL_WORDS: Final = frozenset(
    "account address assertion authorization bank body buyer card consumer cookie document email iban jwt key login "  # noqa: SIM905 - shorter
    "lottery name owner passport password payload person phone qr reference secret subject token".split()
)
"""A value is hidden when one word of its key is among these: `consumer_no`, `bankAccountNo`, `X-Token`."""
NUMBER_MAX: Final = 10**7
"""A whole number from here on may be a consumer's login number, a TIN or a telephone."""
DEPTH_MAX: Final = 6
FRAMES_MAX: Final = 30
CLIENTS: Final = ("httpx2", "httpcore2")
"""HTTP clients that would tell each address that they ask; they are heard from warnings on."""
LOST: Final = '{"level":"error","event":"a log line could not be written"}\n'

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MEASURE = re.compile(r"(?:.*_)?(?:bytes|count|mongo|ms|ns|pid|port|receipts|rows|s|status|terminal)")
"""Keys under which a large whole number is a number and nobody's."""
_PERSONAL_TEXT = re.compile(
    r"MB1:[0-9A-Z $%*+./:-]{8,}"  # a QR text
    r"|(?i:bearer|basic) +[A-Za-z0-9._~+/=-]+"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*"  # a JWT
    r"|\b[A-Z]{2} ?[0-9]{8}\b"  # a lottery number
    r"|\b[0-9]{8,}\b"  # login numbers, TINs, receipt ids, bank accounts, telephones
    r"|[\w.+-]+@[\w-]+\.[\w.]+"
    r"|://[^/\s:@]+:[^/\s@]+@"  # user and password of a URL
)


def configure(stream: TextIO, *, console: bool | None = None, level: int = logging.INFO) -> None:
    """Send everything that is logged to `stream`, our own lines and those of libraries alike.

    `console` chooses lines for people; left out, a terminal gets them. Start uvicorn with `log_config=None` and
    `access_log=False`: its lines then come this way, and `AccessLog` writes the one about each request.
    """
    people = stream.isatty() if console is None else console
    json_lines = structlog.processors.JSONRenderer(ensure_ascii=False)
    last: Processor = structlog.dev.ConsoleRenderer() if people else json_lines
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                first_line_only,
                exception_without_words,
                without_personal_data,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in CLIENTS:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_COMMON, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


_COMMON: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
]


def first_line_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep the first line of what is said: asyncio and others put an exception's words into the following ones."""
    event["event"] = str(event.get("event", "")).strip().partition("\n")[0]
    event.pop("color_message", None)
    return event


def exception_without_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put an exception's type and its frames (file, line, function) in the place of `exc_info`; its causes follow."""
    said = event.pop("exc_info", None)
    if said is True:
        said = sys.exc_info()
    exception = said[1] if isinstance(said, tuple) else said
    for words in ("exc_text", "stack_info", "stack"):
        event.pop(words, None)
    if isinstance(exception, BaseException):
        event["raised"] = list(_described(exception))
    return event


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines. Python's own way to report one that cannot be written is to print all that it held."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the library's name
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(LOST)


def without_personal_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what is personal: values under telling keys whatever they are, and telling pieces of any text."""
    return {key: _cleaned(key, value, DEPTH_MAX) for key, value in event.items()}


def _described(exception: BaseException | None) -> Iterable[dict[str, Any]]:
    seen: set[int] = set()
    while exception is not None and id(exception) not in seen:
        seen.add(id(exception))
        frames = []
        trace = exception.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
            trace = trace.tb_next
        described: dict[str, Any] = {"type": f"{type(exception).__module__}.{type(exception).__qualname__}"}
        sqlstate = getattr(exception, "sqlstate", None)
        if isinstance(sqlstate, str):
            described["sqlstate"] = sqlstate
        yield described | {"frames": frames[-FRAMES_MAX:]}
        exception = exception.__cause__ or (None if exception.__suppress_context__ else exception.__context__)


def _cleaned(key: str, value: Any, depth: int) -> Any:
    if _telling(key, value):
        return HIDDEN
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _PERSONAL_TEXT.sub(HIDDEN, value)
        case Mapping() if depth:
            pairs = ((str(name), item) for name, item in value.items())
            return {_PERSONAL_TEXT.sub(HIDDEN, name): _cleaned(name, item, depth - 1) for name, item in pairs}
        case list() | tuple() | set() | frozenset() if depth:
            return [_cleaned(key, item, depth - 1) for item in value]
        case _:
            return HIDDEN  # bytes, what is nested too deeply, and objects: their words are not ours to judge


def _telling(key: str, value: Any) -> bool:
    if isinstance(value, int) and abs(value) >= NUMBER_MAX and not _MEASURE.fullmatch(key):
        return True
    return not PERSONAL_WORDS.isdisjoint(word.lower() for word in _WORDS.findall(key))
