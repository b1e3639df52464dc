"""Speaking to a model: requests, faults, money, keys."""
