"""Documents of the lake in, rows of a database out: read, staged and merged so that every record is accounted for."""
