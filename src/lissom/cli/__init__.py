"""The command line: one file a group of commands, each as thin as its options allow.

`app` lists the commands, `options` declares what several share, `screen` writes and leaves with the
right exit code. No logic: `lissom.api` does the work.
"""
