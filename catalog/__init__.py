"""The catalog: what the worker writes and the app reads. It knows SQL, and neither tensors nor HTTP."""
