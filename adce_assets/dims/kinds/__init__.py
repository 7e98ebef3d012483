"""World and parameters in, one value out: a module for each family of kinds. A new kind is one entry of its `KINDS`."""
