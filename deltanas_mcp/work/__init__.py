"""What each kind of job does. Runs in a worker process, never in the server's."""
