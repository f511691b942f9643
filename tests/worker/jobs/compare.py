"""Everything a harvest says of a dictionary, as plain values that compare with ==, to the bit."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from worker.jobs.ledger import Ledger


def everything_of(ledger: Ledger, slug: str, harvest_id: str) -> dict[str, Any]:
    """Every feature with its reserve, the summary, the token counts."""
    with ledger.reading() as reader:
        indices = range(reader.dictionary(slug).d_sae)
        return {
            "features": [plain(reader.feature(slug, index, harvest_id)) for index in indices],
            "reserves": [plain(reader.reserve(slug, index, harvest_id)) for index in indices],
            "summary": plain(reader.summary(harvest_id, slug)),
            "token_counts": plain(reader.token_counts(harvest_id)),
        }


def plain(value: Any) -> Any:
    """Dataclasses as dicts, arrays as their bytes with dtype and shape."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
