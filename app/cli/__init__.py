"""The verbs that need no model: serve and export."""
