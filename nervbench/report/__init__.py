"""From results to pages: pure functions over records, text and SVG out. Needs no framework and no device."""
