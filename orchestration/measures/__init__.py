"""Pure functions over numbers and rules: no Dagster, no database, no files."""
