"""Which slices of which weights must leave together: indices of axes, followed through a graph.

Every index of every axis of every weight gets an identity (`identities`); rules for the families of
operators (`elementwise`, `products`, `shapes`, `picking`, `norms`, `recurrent`) say which identities
are one and the same and where they go; `walk` leads them through the graph. What follows together
is a unit, units that live in the same places are a group (`groups`), and `removal` writes the edit.
"""
