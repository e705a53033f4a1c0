"""Our code against the libraries people use: speed, with equal results checked in the same run. Run by hand."""
