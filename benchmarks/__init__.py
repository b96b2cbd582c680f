"""Generators of worlds and their timings; nothing here is needed to run the pipeline."""
