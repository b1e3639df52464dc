"""What is kept: cells and their identity, transcripts, turns under way."""
