"""Trains dictionaries from a stream of activations: buffer, losses' steps, schedule, checkpoints."""
