"""Models, data, attacks, metrics and the path from a parameter to a verdict."""
