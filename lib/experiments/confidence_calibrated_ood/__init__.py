"""What the notebooks of `papers/confidence-calibrated-OOD` measure, one file per notebook."""
