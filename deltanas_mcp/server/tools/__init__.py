"""The tools: thin functions over what the loop and the command line call."""
