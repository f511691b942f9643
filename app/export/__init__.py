"""One dictionary written to a folder: as a site that opens from disk, as JSON lines, or as Parquet."""
