"""An installation in, how well it is out: what people and machines ask before something is wrong, and after."""
