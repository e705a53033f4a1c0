"""What each paper's notebooks measure, one file per paper: an arm after the other, as plain functions."""
