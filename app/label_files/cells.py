"""Text in a cell of a spreadsheet, which takes whatever begins like a formula for one.

Such text is written with an apostrophe before it; so is text that begins with an apostrophe, so that reading it back
gives the very same.
"""

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def cell(text: str) -> str:
    """The text as it is written into a cell."""
    return f"'{text}" if text.startswith(_STARTS) else text


def text_of_cell(cell_text: str) -> str:
    """The text that a cell was written from."""
    return cell_text[1:] if cell_text.startswith("'") and cell_text[1:].startswith(_STARTS) else cell_text
