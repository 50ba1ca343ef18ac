"""Runtimes: an artifact opened on a device becomes a session that decodes. They never time."""
