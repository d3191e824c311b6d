"""Arrays only: quantized tensors, histograms, ranges, statistics.

Imports errors and NumPy/SciPy, nothing above.
"""
