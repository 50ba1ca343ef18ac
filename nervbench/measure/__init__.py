"""Measuring: a session and a device in, raw samples out.

Imports no framework; tested with fakes and made-up numbers.
"""
