"""What the lake SHOULD hold: YAML in, expected keys out."""
