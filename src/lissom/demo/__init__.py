"""The demonstration's files: a small trained network, labelled samples, unlabelled samples.

See DATA.md beside this file for what they are, how they were made and under which licence.
`files.paths()` says where they are. Imports errors only.
"""
