"""What the notebooks of `papers/noisy-student` measure, one file per notebook."""
