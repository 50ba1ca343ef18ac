"""Clips: where source frames come from."""
