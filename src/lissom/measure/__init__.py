"""Numbers about a model: samples, evidence, quality, latency, memory, parity.

May import runtime and below.
"""
