"""The command line: one module for each command of `adce`, which calls the same jobs and functions as Dagster does."""
