"""Pruning: one criterion a file; what they share is in `lissom.methods.pruning`."""
