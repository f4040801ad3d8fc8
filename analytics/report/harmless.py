"""Text that a spreadsheet would run as a formula, made harmless: names come from strangers."""

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(text: str) -> str:
    """Answer the text as a spreadsheet shows and never runs it: an apostrophe before what would begin a formula.

    Source: OWASP, CSV Injection. Control characters become spaces, so that a cell stays one cell.
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"'{shown}" if text.startswith(_STARTS) or shown.lstrip().startswith(_STARTS[:4]) else shown
