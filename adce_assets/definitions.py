"""What Dagster loads: the installation that the environment names, as assets, checks, jobs, schedules and sensors."""

from adce_assets.defs.build import build_defs

defs = build_defs()
