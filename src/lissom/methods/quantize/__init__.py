"""Fewer bits: weights and activations as integers or half floats."""
