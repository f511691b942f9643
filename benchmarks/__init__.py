"""The figures we live by, one command each; the last line of each is one JSON object."""
