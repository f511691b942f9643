"""Forms as browsers send them, read with a limit."""

from urllib.parse import parse_qsl

from fastapi import Request

from app.live.asking import read_body

MOST_FIELDS = 100


async def read_form(request: Request, *, limit: int) -> dict[str, str]:
    """The fields of a form by name, the last of each; what is no UTF-8 becomes U+FFFD. limit: bytes of the body.

    Raises LiveFailure beyond the limit. A body of another kind has no fields.
    """
    body = await read_body(request, limit=limit)
    try:
        fields = parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return dict(fields)
