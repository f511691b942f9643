"""The harvest: one pass of a corpus through a model, reduced for every feature of every dictionary."""
