"""The HTTP face: Replicate's API over the prediction service."""
