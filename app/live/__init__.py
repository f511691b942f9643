"""The way to a worker's live door: who is open, how to ask, and what to tell people where that fails."""
