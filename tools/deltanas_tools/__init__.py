"""The five operations of a search, a folder each, and the rooms that they share."""
