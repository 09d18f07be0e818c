"""The search: which parent next, what becomes of each candidate, and when to stop."""
