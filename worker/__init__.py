"""The only package that imports torch or TransformerLens."""
