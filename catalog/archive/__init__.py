"""A whole catalog in one file, taken from either database while it is in use and put back into either.

The file is a plain ZIP (entries stored, not deflated): an Arrow stream for each table, and `manifest.json`, which says
the revision, and each table's columns, rows and checksum. Nothing here holds more than a few megabytes of rows.
"""
