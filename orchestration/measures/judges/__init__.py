"""One function per check: the aggregates of a night go in, measurements come out."""
