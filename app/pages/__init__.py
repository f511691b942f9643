"""Page values: what each template may see, computed from the catalog's frozen records."""
