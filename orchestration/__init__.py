"""The pipeline around the dbt project: configuration, loader, Dagster, publication, commands.

What the tables mean is SQL and lives in `dbt_project`; business rules are tables in `seeds/rules`.
"""
