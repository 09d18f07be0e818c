"""Studies of what has been measured: questions about the method rather than about one network."""
