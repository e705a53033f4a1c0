"""What the notebooks of `papers/JEM` measure, one file per notebook and summary."""
