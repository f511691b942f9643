"""Reads a package's licence from its metadata and says whether it is permissive."""

import re
from email.message import Message

_PERMISSIVE_SPDX = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Python-2.0",
    }
)
_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
}
_NAMES = (
    (re.compile(r"(the )?(new |modified |revised |simplified )?bsd\b.*", re.IGNORECASE), "BSD"),
    (re.compile(r"[23][- ]clause bsd.*", re.IGNORECASE), "BSD"),
    (re.compile(r"(the )?mit([- ]cmu)?( license)?", re.IGNORECASE), "MIT"),
    (re.compile(r"(the )?apache\b.*2(\.0)?.*", re.IGNORECASE), "Apache-2.0"),
    (re.compile(r"isc( license)?", re.IGNORECASE), "ISC"),
)
_COPYLEFT = re.compile(r"gpl|general public|mozilla|\bmpl|cecill|eupl|creative|proprietary", re.IGNORECASE)


def permissive_licence(metadata: Message) -> str | None:
    """The licence that the metadata names, or None unless it is clearly permissive.

    Permissive are the MIT, BSD, Apache 2.0, ISC, HPND and PSF licences; where
    several are named, all must be. Whatever else is named beside them refuses.
    """
    expression = str(metadata.get("License-Expression") or "")
    if expression:
        return _checked_expression(expression)
    field = str(metadata.get("License") or "").strip()
    if len(field) < 400 and _COPYLEFT.search(field):
        return None
    labels = [
        value.rsplit("::", 1)[-1].strip()
        for value in map(str, metadata.get_all("Classifier") or [])
        if value.startswith("License ::") and not value.endswith("OSI Approved")
    ]
    if labels:
        found = [_CLASSIFIERS.get(label) for label in labels]
        return " AND ".join(sorted({name for name in found if name})) if all(found) else None
    first_line = field.split("\n")[0].strip()
    return _checked_expression(first_line) or _by_name(first_line)


def _checked_expression(expression: str) -> str | None:
    parts = re.split(r"\s+(?:AND|OR)\s+", expression.strip(" ()"))
    known = all(part.strip(" ()") in _PERMISSIVE_SPDX for part in parts)
    return expression.strip() if known else None


def _by_name(name: str) -> str | None:
    for pattern, label in _NAMES:
        if pattern.fullmatch(name):
            return label
    return None
