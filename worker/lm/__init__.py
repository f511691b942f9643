"""Language models: load one, tokenise for it, and read or edit the activations at its hooks."""
