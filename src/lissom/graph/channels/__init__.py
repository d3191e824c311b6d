"""Which slices of which weights must leave together: indices of axes, followed through a graph.

Every index of every axis of every weight gets an identity (`identities`). Rules for the families of
operators (`elementwise`, `products`, `shapes`, `picking`, `norms`, `recurrent`) say which are one
and where they go; `walk` leads them through the graph. What follows together is a unit, units that
live in the same places are a group (`groups`), and `removal` writes the edit: with the sizes that
will be (`after`), it rewrites what counts channels (`settings`).
"""
