"""JSON twins of the pages: plain values from records, and the shapes programs can rely on."""
