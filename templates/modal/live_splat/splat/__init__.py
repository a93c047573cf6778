"""Gaussians and the files that hold them."""
