"""A message in, a message sent out: one module for each kind of channel, with a function `send`."""
