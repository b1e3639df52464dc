"""Simulated agents: how likely they do what, and how they do it."""
