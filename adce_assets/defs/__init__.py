"""Glue: assets, checks, jobs and sensors over the steps of the loop. What needs no Dagster is said elsewhere."""
