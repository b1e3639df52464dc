"""Virtual worlds, and the tools that act on them."""
