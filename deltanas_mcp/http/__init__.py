"""The server over HTTP: tokens, OAuth, limits, health. Nothing here is loaded for stdio."""
