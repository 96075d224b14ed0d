"""Reading text that people wrote with any editor: UTF-8 or UTF-16 with a byte order mark, else strictly UTF-8.

A wrong guess would be trained: so nothing is guessed, and nothing is replaced by U+FFFD.
"""

import codecs
from pathlib import Path

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotText(ValueError):
    """The bytes are no UTF-8, nor UTF-16 with a byte order mark."""


def read_text(path: Path) -> str:
    """The file's text without its byte order mark. Raises NotText, and OSError if it cannot be read."""
    raw = path.read_bytes()
    mark, encoding = next((known for known in BYTE_ORDER_MARKS if raw.startswith(known[0])), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise NotText(f"{path.name} is not UTF-8") from error
    if "\0" in text:  # UTF-16 without a mark reads as UTF-8 with a NUL after each letter
        raise NotText(f"{path.name} is not UTF-8")
    return text
