"""How the cost of a harvest grows with tokens, features and dictionaries: `python -m benchmarks.growth`."""
