"""How sources write schedules: one module for each format, its name is the ``format`` of the contract."""
