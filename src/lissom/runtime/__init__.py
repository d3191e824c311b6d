"""Where a model runs: one file a runtime, with the facts of what it fuses. May import graph and below."""
