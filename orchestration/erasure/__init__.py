"""Erasure: people who asked to be forgotten are taken out, and kept out.

`requests` remembers whom, `people` finds their rows, `traces` removes what is left on disk.
"""
