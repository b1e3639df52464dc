"""Reading what is stored: outcomes, the frame, transcripts, coders."""
