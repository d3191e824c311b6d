"""Factors that can be moved between weights: where scaling a channel here is undone there.

`labels` leads labels through a graph, `rules` says what each operator does with them, `groups`
finds the channels that can be scaled and multiplies weights by factors.
"""
