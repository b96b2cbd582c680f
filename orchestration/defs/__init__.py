"""What Dagster runs, one module per step of the night: feeds, history, publication, nightly.

Each module offers a function that builds definitions for one installation; nothing is wired here
(that is `orchestration.definitions`) and no rule of the business lives here.
"""
