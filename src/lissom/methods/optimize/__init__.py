"""The same function, computed in fewer operations."""
