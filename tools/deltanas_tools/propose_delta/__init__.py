"""propose_delta: from a brief to an answer that should be a unified diff against the parent."""
