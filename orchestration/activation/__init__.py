"""Delivery of audiences: keys, files and requests that destinations take, and who holds what.

Who belongs to an audience is decided by the dbt models, not here.
"""
