"""How often the checks alarm for nothing and how often they find a fault, on simulated companies.

`python -m benchmarks.evaluate` runs it, `docs/evaluation.md` keeps the result. Nothing here is
needed to run the pipeline.
"""
