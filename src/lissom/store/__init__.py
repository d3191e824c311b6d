"""Bytes by hash: the content-addressed folder that remembers every expensive result.

Imports errors only.
"""
