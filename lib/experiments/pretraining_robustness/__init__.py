"""What the notebooks of `papers/pretraining-robustness` measure, one file per notebook."""
