"""Routes, a file per noun. They read the catalog, build a page value and answer."""
