"""Is B faster than A? Whether two results may be compared at all, and what their samples say. Pure arithmetic."""
