"""Spans of time as people write them: `11h`, `90m`, `1h30m`, `45s`. Imports no model library."""

import re

_PATTERN = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


def seconds_of(text: str) -> float:
    """Raises ValueError if the text is no positive span of time."""
    match = _PATTERN.fullmatch(text.strip().lower())
    parts = match.groupdict() if match else {}
    total = sum(float(parts.get(unit) or 0) * factor for unit, factor in (("h", 3600), ("m", 60), ("s", 1)))
    if total <= 0:
        raise ValueError(f"{text!r} is no span of time; write 11h, 90m or 1h30m")
    return total
