"""Where a model runs: one file a runtime, with the facts of what it fuses and is good at.

A module named in `registry.OWN` belongs to the room; every other module without a leading
underscore is a runtime of that name. May import graph and below.
"""
