"""What the notebooks of `papers/rethinking-generalization` measure, one file per notebook."""
