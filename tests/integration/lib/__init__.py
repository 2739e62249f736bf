"""Helpers of the integration suite; see ../README.md."""
