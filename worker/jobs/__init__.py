"""The wiring: settings in, rooms joined, rows out; durable workflows."""
