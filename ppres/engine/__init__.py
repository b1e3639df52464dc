"""Making rollouts: what is missing, and getting it."""
