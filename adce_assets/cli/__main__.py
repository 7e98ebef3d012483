"""`python -m adce_assets.cli` is `adce`, for those whose environment is not on the path."""

from adce_assets.cli.main import main

main()
